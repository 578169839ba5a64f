"""The workspace that a file is in, as `mlgit run` opens it: that of an mlgit.yml, or an implicit one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.cli.console import print_note
from reconciler.cli.options import TARGET_KEY
from reconciler.cli.session import SETUP_KEY, complete_hint, print_diagnostics, print_or_send
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import UserError, user_error
from reconciler.project.session import Session, open_session
from reconciler.source.implicit_workspace import find_or_make_workspace, list_needed_paths
from reconciler.source.workspace import Workspace


def open_session_of_file(file: Path) -> tuple[Session, str]:
    """Open the workspace that a file is in, at its work tree; return the path of the file in the repository.

    Git keeps the objects of the work tree. Raises UserError if there is no such file, or if Git ignores it.
    """
    context = click.get_current_context()
    if not file.exists():
        hint = "paths are relative to the current folder"
        raise user_error("path-unknown", f"there is no file {file}", hint)
    if not file.is_file():
        raise user_error("not-a-file", f"{file} is not a file", "name the file of one job")
    folder = Path(os.path.realpath(file.parent))
    current = Path(os.path.realpath(Path.cwd()))  # not in a repository, its commands are to find the run
    base = current if current in (folder, *folder.parents) else folder
    workspace = find_or_make_workspace(folder, base)
    context.call_on_close(workspace.repository.close)
    path = (folder / file.name).relative_to(workspace.repository.top).as_posix()
    if workspace.settings_file is not None:
        context.meta[SETUP_KEY] = setup_command(workspace)
    session = open_session(
        folder,
        target=context.meta.get(TARGET_KEY, DEFAULT_TARGET),
        keep=True,
        on_diagnostics=print_diagnostics,
        on_refusals=print_or_send,
        on_note=print_note,
        workspace=workspace,
        only=list_needed_paths(workspace, path) if workspace.repository.is_separate else (),
    )
    session.take_secrets()
    if path not in session.tree.entries:
        hint = f"`git check-ignore -v {file}` names the line of .gitignore: change it, or copy the file"
        raise user_error("file-ignored", f"Git ignores {file}, so a run of it could not be reproduced", hint)
    return session, path


def setup_command(workspace: Workspace) -> str:
    """Return the command that makes a workspace of the folder of an implicit one."""
    return "git init && mlgit init --here" if workspace.repository.is_separate else "mlgit init --here"


@contextmanager
def complete_hints() -> Iterator[None]:
    """Complete the hints of the errors of a command, as those that are printed."""
    try:
        yield
    except UserError as error:
        raise UserError(*map(complete_hint, error.diagnostics)) from error
