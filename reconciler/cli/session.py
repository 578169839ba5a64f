"""The workspace of the current folder as the command line opens it: with its target, printing diagnostics to stderr."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.console import echo
from reconciler.cli.options import DIAGNOSTICS_HANDLER_KEY, TARGET_KEY
from reconciler.cli.state_session import print_note
from reconciler.config.config import CONFIG_FILE
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.model import State, Tree
from reconciler.project.session import Session, open_session, read_tree_lines
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.text import format_diagnostics
from reconciler.source.implicit_workspace import find_or_make_workspace, list_needed_paths
from reconciler.source.rendered_output import OutputKey, OutputSettings, RenderedOutputCache
from reconciler.source.workspace import Workspace

# In the context of a command: the diagnostics that were printed, as text and as values.
_SHOWN_DIAGNOSTICS_KEY, _REPORTED_DIAGNOSTICS_KEY = "mlgit.said", "mlgit.reported"
_SETUP_KEY = "mlgit.setup"  # in the context too: the command that makes a workspace, if there is none


def open_current_session(
    revision: str | None = None,
    *,
    keep: bool = False,
    aside: Path | None = None,
    target: str = DEFAULT_TARGET,
    reuse: RenderedOutputCache | None = None,
) -> Session:
    """Open the workspace of the current folder, at its work tree or at a revision; it is closed with the command.

    ``target`` is used if the user has not chosen one. See ``project.session.open_session`` for the other arguments.
    """
    context = click.get_current_context()
    session = open_session(
        Path.cwd(),
        revision,
        target=context.meta.get(TARGET_KEY, target),
        keep=keep,
        aside=aside,
        reuse=reuse,
        on_diagnostics=_print_diagnostics,
        on_refusals=_print_or_send,
        on_note=print_note,
    )
    context.call_on_close(session.close)
    return session


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
        context.meta[_SETUP_KEY] = setup_command(workspace)
    session = open_session(
        folder,
        target=context.meta.get(TARGET_KEY, DEFAULT_TARGET),
        keep=True,
        on_diagnostics=_print_diagnostics,
        on_refusals=_print_or_send,
        on_note=print_note,
        workspace=workspace,
        only=list_needed_paths(workspace, path) if workspace.repository.is_separate else (),
    )
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
        raise UserError(*map(_complete_hint, error.diagnostics)) from error


def _complete_hint(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic that says how to get an mlgit.yml, if its hint names that file and there is none."""
    command = click.get_current_context().meta.get(_SETUP_KEY, "")
    if not command or CONFIG_FILE not in diagnostic.hint or command in diagnostic.hint:
        return diagnostic
    return replace(diagnostic, hint=f"{diagnostic.hint}; `{command}` makes {CONFIG_FILE}")


def remember_output(command: str, output: Any, cache: RenderedOutputCache, session: Session, state: State) -> None:
    """Remember the output of a command, unless it depends on something outside of this repository."""
    repository = session.workspace.repository
    if session.config.remote or session.fetch_state_hint(state):
        return
    state_tree = repository.tree_of(state.commit) if state.commit else ""
    source = session.source
    key = OutputKey(session.workspace.root, source.tree, state_tree, source.commit, cache.environment_key)
    settings = OutputSettings(session.state_store.live_ref, tuple(session.workspace.store_folders()))
    cache.store(command, key, settings, output)


def shown_diagnostics() -> str:
    """Return the diagnostics that were printed for people."""
    return "\n".join(click.get_current_context().meta.get(_SHOWN_DIAGNOSTICS_KEY, []))


def reported_diagnostics() -> Sequence[Diagnostic]:
    """Return the diagnostics that were printed."""
    reported: list[Diagnostic] = click.get_current_context().meta.get(_REPORTED_DIAGNOSTICS_KEY, [])
    return reported


def _print_diagnostics(tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Print warnings, and errors in files; raise UserError if one is an error."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    errors_in_files = any(diagnostic.span for diagnostic in errors)
    warnings = [diagnostic for diagnostic in diagnostics if diagnostic.severity is not Severity.ERROR]
    _print_or_send(tree, diagnostics if errors_in_files else warnings)
    if errors_in_files:
        raise user_error("files-wrong", f"{pluralize(len(errors), 'error')}; nothing was planned or changed")
    if errors:
        raise UserError(*errors)


def _print_or_send(tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Send diagnostics to the event stream if the command has one, else print them with the source lines."""
    meta = click.get_current_context().meta
    diagnostics = mask_diagnostics(list(map(_complete_hint, diagnostics)), lambda path: read_tree_lines(tree, path))
    if send := meta.get(DIAGNOSTICS_HANDLER_KEY):
        for diagnostic in diagnostics:
            send(diagnostic)
    elif diagnostics:
        lines = format_diagnostics(diagnostics, lambda path: read_tree_lines(tree, path))
        meta.setdefault(_SHOWN_DIAGNOSTICS_KEY, []).append(lines)
        meta.setdefault(_REPORTED_DIAGNOSTICS_KEY, []).extend(diagnostics)
        echo(lines, err=True)
