"""mlgit validate of a whole workspace, at its work tree or at a revision: what needs Git and mlgit.yml."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.options import DIAGNOSTICS_HANDLER_KEY
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.project.check import validate_offline
from reconciler.project.session import Session
from reconciler.render.text import SourceLineReader
from reconciler.source.validation import CheckResult


def check_workspace(revision: str | None, paths: Sequence[str]) -> tuple[CheckResult, SourceLineReader]:
    """Check a workspace, or the files and folders of it that ``paths`` name; return also how to read lines of it."""
    config_diagnostics: list[Diagnostic] = []  # of mlgit.yml; they are reported with all others
    click.get_current_context().meta[DIAGNOSTICS_HANDLER_KEY] = config_diagnostics.append
    try:
        session = open_current_session(revision)
    except UserError:
        if not config_diagnostics:
            raise
        return CheckResult(0, tuple(config_diagnostics)), _read_no_lines
    asset_set, diagnostics = validate_offline(session)
    folders = _workspace_paths(session, paths)
    checked = [document for document in asset_set.documents.values() if _is_within(document.path, folders)]
    selected = [
        diagnostic
        for diagnostic in (*config_diagnostics, *diagnostics)
        if diagnostic.span is None or _is_within(diagnostic.span.path, folders)
    ]
    return CheckResult(len(checked), tuple(selected)), session.read_source_lines


def _workspace_paths(session: Session, paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths as the workspace displays them, "" for all of it.

    Raise UserError ``path-unknown`` for a path that does not exist in the tree.
    """
    tree, top = session.tree, session.workspace.repository.top
    current = Path.cwd().resolve().relative_to(top).as_posix()
    display_paths = []
    for path in paths:
        absolute = Path(path)
        from_top = (
            absolute.relative_to(top).as_posix() if absolute.is_relative_to(top) else posixpath.join(current, path)
        )
        from_top = posixpath.normpath(from_top)
        if not tree.exists(from_top):
            hint = "paths are relative to the current folder"
            raise user_error("path-unknown", f"there is no file or folder {path}", hint)
        display_paths.append("" if from_top in {tree.root.rstrip("/"), "."} else tree.display_path(from_top))
    return tuple(display_paths)


def _is_within(path: str, folders: Sequence[str]) -> bool:
    """Return True if a path is one of the folders, or below one; always if there are none."""
    return not folders or any(not folder or path == folder or path.startswith(f"{folder}/") for folder in folders)


def _read_no_lines(_path: str) -> Sequence[str]:
    return ()
