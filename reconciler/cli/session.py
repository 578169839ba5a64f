"""The workspace of the current folder as the command line opens it: with its target, printing diagnostics to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.json_events import DIAGNOSTICS_HANDLER_KEY
from reconciler.cli.options import TARGET_KEY
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, State, Tree, parse_address
from reconciler.project.session import Session, open_session, read_tree_lines
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
    """Parse the address of a live asset as typed.

    Raises UserError ``address-unknown`` with a suggestion if there is no such asset, or ``address-ambiguous`` with all
    assets that are called so.
    """
    typed = argument.partition("@")[0]
    address = parse_address(typed)
    if address.name and address in state.current:
        return address
    candidates = [str(item) for item in state.current if _is_called(item, typed)]
    if len(candidates) > 1:
        message = f"{argument} can be {', '.join(candidates)}"
        raise user_error("address-ambiguous", message, "use one of these addresses")
    count = sum(not record.archived for record in state.current.values())
    list_hint = f"`mlgit list` shows the {pluralize(count, 'live asset')}; an address is KIND/NAME"
    hint = did_you_mean(argument, candidates or list(map(str, state.current)))
    raise user_error("address-unknown", f"{argument} is not live", hint or list_hint)


def _is_called(address: Address, typed: str) -> bool:
    """Return True if what is typed, with or without the kind, is the name of an asset or the end of it."""
    return f"/{address.name}".endswith(f"/{typed.removeprefix(f'{address.kind}/')}")


def _print_note(note: str) -> None:
    click.echo(note, err=True)


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
    if send := meta.get(DIAGNOSTICS_HANDLER_KEY):
        for diagnostic in diagnostics:
            send(diagnostic)
    elif diagnostics:
        lines = format_diagnostics(diagnostics, lambda path: read_tree_lines(tree, path))
        meta.setdefault(_SHOWN_DIAGNOSTICS_KEY, []).append(lines)
        click.echo(lines, err=True)
