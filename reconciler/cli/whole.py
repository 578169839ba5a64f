"""mlgit validate of a whole workspace, at its work tree or at a revision: what needs Git, and mlgit.yml."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.session import Session, offline, open_session
from reconciler.cli.stream import TOLD
from reconciler.diagnostics import Diagnostic, UserError, failure
from reconciler.render import text
from reconciler.source.validation import Checked


def check(revision: str | None, paths: Sequence[str]) -> tuple[Checked, text.Lines]:
    """Check a workspace, or the files and folders of it that ``paths`` name, and return how to show its lines."""
    told: list[Diagnostic] = []
    click.get_current_context().meta[TOLD] = told.append  # mlgit.yml's, which are reported like all others
    try:
        session = open_session(revision)
    except UserError:
        if not told:
            raise
        return Checked(0, tuple(told)), _no_lines
    found, problems = offline(session)
    below = _below(session, paths)
    checked = [each for each in found.documents.values() if _is_below(each.path, below)]
    wrong = [each for each in (*told, *problems) if each.span is None or _is_below(each.span.path, below)]
    return Checked(len(checked), tuple(wrong)), session.lines


def _below(session: Session, paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths as the workspace shows them; a UserError for one that is not there."""
    tree, top = session.tree, session.workspace.repository.top
    here = Path.cwd().resolve().relative_to(top).as_posix()
    found = []
    for path in paths:
        absolute = Path(path)
        inside = absolute.relative_to(top).as_posix() if absolute.is_relative_to(top) else posixpath.join(here, path)
        inside = posixpath.normpath(inside)
        if not tree.exists(inside):
            raise failure("path-unknown", f"there is no file or folder {path}", "paths count from where you are")
        found.append("" if f"{inside}/" == tree.root or inside == "." else tree.shown(inside))
    return tuple(found)


def _is_below(path: str, above: Sequence[str]) -> bool:
    return not above or any(not each or path == each or path.startswith(f"{each}/") for each in above)


def _no_lines(_path: str) -> Sequence[str]:
    return ()
