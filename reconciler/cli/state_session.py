"""The live state of the current folder's workspace as the command line opens it, with its target.

``cli.session``, which reads the work tree, is imported by name, and only if mlgit.yml has not been read before.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.options import TARGET_KEY
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, State
from reconciler.project.state_session import StateSession, find_state_session


def open_current_state_session() -> StateSession:
    """Open the workspace of the current folder to read its live state; it is closed with the command."""
    context = click.get_current_context()
    session = find_state_session(Path.cwd(), context.meta.get(TARGET_KEY, DEFAULT_TARGET), print_note)
    if session is None:
        opened: StateSession = importlib.import_module("reconciler.cli.session").open_current_session()
        return opened
    context.call_on_close(session.close)
    return session


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


def print_note(note: str) -> None:
    """Print a note to standard error."""
    click.echo(note, err=True)
