"""mlgit validate of a whole workspace, at its work tree or at a revision: what needs Git, and mlgit.yml."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.json_events import DIAGNOSTICS_HANDLER_KEY
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.project.check import validate_offline
from reconciler.project.session import Session
from reconciler.render import text
from reconciler.source.validation import CheckResult


def check_workspace(revision: str | None, paths: Sequence[str]) -> tuple[CheckResult, text.SourceLineReader]:
    """Check a workspace, or the files and folders of it that ``paths`` name, and return how to show its lines."""
    told: list[Diagnostic] = []
    click.get_current_context().meta[DIAGNOSTICS_HANDLER_KEY] = (
        told.append
    )  # mlgit.yml's, which are reported like all others
    try:
        session = open_current_session(revision)
    except UserError:
        if not told:
            raise
        return CheckResult(0, tuple(told)), _no_lines
    found, problems = validate_offline(session)
    below = _workspace_paths(session, paths)
    checked = [document for document in found.documents.values() if _is_within(document.path, below)]
    wrong = [
        diagnostic
        for diagnostic in (*told, *problems)
        if diagnostic.span is None or _is_within(diagnostic.span.path, below)
    ]
    return CheckResult(len(checked), tuple(wrong)), session.read_source_lines


def _workspace_paths(session: Session, paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths as the workspace shows them; a UserError for one that is not there."""
    tree, top = session.tree, session.workspace.repository.top
    here = Path.cwd().resolve().relative_to(top).as_posix()
    found = []
    for path in paths:
        absolute = Path(path)
        inside = absolute.relative_to(top).as_posix() if absolute.is_relative_to(top) else posixpath.join(here, path)
        inside = posixpath.normpath(inside)
        if not tree.exists(inside):
            raise user_error("path-unknown", f"there is no file or folder {path}", "paths count from where you are")
        found.append("" if f"{inside}/" == tree.root or inside == "." else tree.display_path(inside))
    return tuple(found)


def _is_within(path: str, above: Sequence[str]) -> bool:
    return not above or any(not each or path == each or path.startswith(f"{each}/") for each in above)


def _no_lines(_path: str) -> Sequence[str]:
    return ()
