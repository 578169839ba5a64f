"""mlgit validate of a whole workspace, at its work tree or at a revision: what needs Git and mlgit.yml."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Sequence
from pathlib import Path

import click

from reconciler.cli.options import TARGET_KEY
from reconciler.config.config import CONFIG_FILE
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, user_error, within_paths
from reconciler.planning.file_checks import sort_diagnostics
from reconciler.project.check import validate_offline
from reconciler.project.policy_files import find_policy_files
from reconciler.project.session import Session, open_session
from reconciler.render.text import SourceLineReader
from reconciler.source.validation import CheckResult, unknown_file_note


def check_workspace(revision: str | None, paths: Sequence[str]) -> tuple[CheckResult, SourceLineReader]:
    """Check a workspace, or the files and folders of it that ``paths`` name; return also how to read lines of it."""
    context = click.get_current_context()
    config_diagnostics: list[Diagnostic] = []  # of mlgit.yml; they are reported with all others
    session = open_session(
        Path.cwd(),
        revision,
        target=context.meta.get(TARGET_KEY, DEFAULT_TARGET),
        lenient=True,
        on_diagnostics=lambda _tree, diagnostics: config_diagnostics.extend(diagnostics),
    )
    context.call_on_close(session.close)
    asset_set, diagnostics = validate_offline(session)
    folders = _workspace_paths(session, paths)
    policies = map(session.tree.display_path, find_policy_files(session.tree))
    known = (*(document.path for document in asset_set.documents.values()), *policies)
    checked = [path for path in known if _is_within(path, folders)]
    every = sort_diagnostics([*config_diagnostics, *diagnostics])
    restricted = (within_paths(diagnostic, lambda path: _is_within(path, folders)) for diagnostic in every)
    selected = [diagnostic for diagnostic in restricted if diagnostic is not None]
    notes = _unknown_file_notes(session, folders, {CONFIG_FILE, *known})
    return CheckResult(len(checked), (*selected, *notes), len(notes)), session.read_source_lines


def _unknown_file_notes(session: Session, display_paths: Sequence[str], known: Container[str]) -> list[Diagnostic]:
    """Return the notes on files that were named and that are no assets."""
    paths = {session.tree.display_path(path): path for path in session.tree.entries}
    named = [paths[path] for path in display_paths if path in paths and path not in known]
    return [unknown_file_note(session.tree, path) for path in named]


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
