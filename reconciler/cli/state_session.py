"""The live state of the current folder's workspace as the command line opens it, with its target.

``cli.session``, which reads the work tree, is imported by name, and only if mlgit.yml has not been read before.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.console import print_note
from reconciler.cli.options import TARGET_KEY
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Record, State, parse_address
from reconciler.project.state_session import StateSession, find_state_session

_LATEST = "latest"


def open_current_state_session() -> StateSession:
    """Open the workspace of the current folder to read its live state; it is closed with the command."""
    context = click.get_current_context()
    session = find_state_session(Path.cwd(), context.meta.get(TARGET_KEY, DEFAULT_TARGET), print_note)
    if session is None:
        opened: StateSession = importlib.import_module("reconciler.cli.session").open_current_session()
        return opened
    context.call_on_close(session.close)
    session.take_secrets()
    return session


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
    assets = f"`mlgit list` shows the {pluralize(count, 'live asset')}" if count else "no asset is live yet"
    list_hint = f"{assets}, `mlgit list --declared` what files declare; an address is KIND/NAME"
    hint = did_you_mean(argument, candidates or list(map(str, state.current)))
    raise user_error("address-unknown", f"{argument} is not live", hint or list_hint)


def find_live_version(argument: str, state: State) -> Record:
    """Return the version that an argument names: KIND/NAME@VERSION, or the current one without it or with @latest.

    Raises UserError as `parse_live_address`, and ``version-unknown``.
    """
    address, version = parse_live_address(argument, state), argument.partition("@")[2]
    record = state.current[address] if version in ("", _LATEST) else state.find_version(address, version)
    if record is None:
        hint = f"`mlgit list {address} --all` lists its versions"
        raise user_error("version-unknown", f"{argument} is not live", hint)
    return record


def _is_called(address: Address, typed: str) -> bool:
    """Return True if what is typed, with or without the kind, is the name of an asset or the end of it."""
    return f"/{address.name}".endswith(f"/{typed.removeprefix(f'{address.kind}/')}")
