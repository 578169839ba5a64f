"""The workspace of the current folder as the command line opens it: with its target, printing diagnostics to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.console import echo, print_note
from reconciler.cli.options import DIAGNOSTICS_HANDLER_KEY, TARGET_KEY
from reconciler.config.config import CONFIG_FILE
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.model import State, Tree
from reconciler.project.session import Session, open_session, read_tree_lines
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.text import format_diagnostics
from reconciler.source.rendered_output import OutputKey, OutputSettings, RenderedOutputCache

# In the context of a command: the diagnostics that were printed, as text and as values.
_SHOWN_DIAGNOSTICS_KEY, _REPORTED_DIAGNOSTICS_KEY = "mlgit.said", "mlgit.reported"
SETUP_KEY = "mlgit.setup"  # in the context too: the command that makes a workspace, if there is none


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
        on_diagnostics=print_diagnostics,
        on_refusals=print_or_send,
        on_note=print_note,
    )
    context.call_on_close(session.close)
    session.take_secrets()
    return session


def complete_hint(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic that says how to get an mlgit.yml, if its hint names that file and there is none."""
    command = click.get_current_context().meta.get(SETUP_KEY, "")
    if not command or CONFIG_FILE not in diagnostic.hint or command in diagnostic.hint:
        return diagnostic
    return diagnostic._replace(hint=f"{diagnostic.hint}; `{command}` makes {CONFIG_FILE}")


def remember_output(command: str, output: Any, cache: RenderedOutputCache, session: Session, state: State) -> None:
    """Remember the output of a command, unless it depends on something outside of this repository."""
    repository = session.workspace.repository
    if session.config.remote or session.config.reuse_from or session.fetch_state_hint(state):
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
    """Return the diagnostics that were printed, or sent to the event stream."""
    reported: list[Diagnostic] = click.get_current_context().meta.get(_REPORTED_DIAGNOSTICS_KEY, [])
    return reported


def print_diagnostics(tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Print warnings, and errors in files; raise UserError if one is an error."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    errors_in_files = any(diagnostic.span for diagnostic in errors)
    warnings = [diagnostic for diagnostic in diagnostics if diagnostic.severity is not Severity.ERROR]
    print_or_send(tree, diagnostics if errors_in_files else warnings)
    if errors_in_files:
        raise user_error("files-wrong", f"{pluralize(len(errors), 'error')}; nothing was planned or changed")
    if errors:
        raise UserError(*errors)


def print_or_send(tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Send diagnostics to the event stream if the command has one, else print them with the source lines."""
    meta = click.get_current_context().meta
    diagnostics = mask_diagnostics(list(map(complete_hint, diagnostics)), lambda path: read_tree_lines(tree, path))
    meta.setdefault(_REPORTED_DIAGNOSTICS_KEY, []).extend(diagnostics)
    if send := meta.get(DIAGNOSTICS_HANDLER_KEY):
        for diagnostic in diagnostics:
            send(diagnostic)
    elif diagnostics:
        lines = format_diagnostics(diagnostics, lambda path: read_tree_lines(tree, path))
        meta.setdefault(_SHOWN_DIAGNOSTICS_KEY, []).append(lines)
        echo(lines, err=True)
