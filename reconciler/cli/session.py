"""The workspace of the current folder as the command line opens it: with its target, printing diagnostics to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.console import echo, echo_line
from reconciler.cli.json_events import DIAGNOSTICS_HANDLER_KEY
from reconciler.cli.options import TARGET_KEY
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, State, Tree
from reconciler.project.session import Session, open_session, read_tree_lines
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.text import format_diagnostics, pluralize

_SHOWN_DIAGNOSTICS_KEY = "mlgit.said"  # in the context of a command: the diagnostics that were printed


def open_current_session(
    revision: str | None = None, *, keep: bool = False, aside: Path | None = None, target: str = DEFAULT_TARGET
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
        on_diagnostics=_print_diagnostics,
        on_note=_print_note,
    )
    context.call_on_close(session.close)
    return session


def shown_diagnostics() -> str:
    """Return the diagnostics that were printed for people."""
    return "\n".join(click.get_current_context().meta.get(_SHOWN_DIAGNOSTICS_KEY, []))


def parse_live_address(argument: str, state: State) -> Address:
    """Parse the address of a live asset as typed; raise UserError with a suggestion if there is no such asset."""
    kind, slash, name = argument.partition("/")
    address = Address(kind, name.partition("@")[0])
    if slash and address in state.current:
        return address
    count = sum(not record.archived for record in state.current.values())
    list_hint = f"`mlgit list` shows the {pluralize(count, 'live asset')}; an address is KIND/NAME"
    hint = did_you_mean(argument, list(map(str, state.current))) or list_hint
    raise user_error("address-unknown", f"{argument} is not live", hint)


def _print_note(note: str) -> None:
    echo_line(note, err=True)


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
    diagnostics = mask_diagnostics(diagnostics, lambda path: read_tree_lines(tree, path))
    if send := meta.get(DIAGNOSTICS_HANDLER_KEY):
        for diagnostic in diagnostics:
            send(diagnostic)
    elif diagnostics:
        lines = format_diagnostics(diagnostics, lambda path: read_tree_lines(tree, path))
        meta.setdefault(_SHOWN_DIAGNOSTICS_KEY, []).append(lines)
        echo(lines, err=True)
