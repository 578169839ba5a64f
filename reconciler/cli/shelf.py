"""What archive and restore have in common: say what would be done, ask, write it into the live state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from reconciler.applying import archiving
from reconciler.applying.archiving import Change, Shelf
from reconciler.applying.history import trailers
from reconciler.cli.asking import ask
from reconciler.cli.session import Session, address_of, open_session
from reconciler.format.assets import Declared
from reconciler.format.config import FILE
from reconciler.git.repository import user
from reconciler.model import Address
from reconciler.render import as_json
from reconciler.source import workspace as workspaces

_VERBS: Mapping[str, Callable[[Shelf, Address, str], Change]] = {
    "archive": archiving.archive,
    "restore": archiving.restore,
}
_DONE = {"archive": "Archived", "restore": "Restored"}


def carry_out(verb: str, given: str, form: str, *, auto_approve: bool) -> None:
    """Archive or restore what was typed."""
    session = open_session()
    session.state.home.refresh()
    live = session.state.read()
    address, version = address_of(given, live), given.partition("@")[2]
    change = _VERBS[verb](Shelf(session.state, live, tuple(_declared(session))), address, version)
    said = [f"This would {change.sentence}.", *(f"  {each}" for each in change.notes)]
    click.echo("\n".join(said), err=form == "json")
    if not auto_approve:
        ask("Do this?", verb)
    message = f"{verb}: {address.at(version)}\n\n{trailers(user())}\n"
    commit = session.state.write(change.writes, message, since=live.commit)
    if form == "json":
        found = {"done": verb, "address": str(address), "version": version or None, "commit": commit}
        click.echo(as_json.dump({**found, "notes": list(change.notes)}))
    else:
        click.echo(f"{_DONE[verb]} {address.at(version)}.")


def _declared(session: Session) -> list[Declared]:
    """Return what the work tree declares and, where that differs, what HEAD does."""
    found = [workspaces.declared(session.tree, session.config)]
    if session.source.dirty and session.source.commit:
        _, head = workspaces.at_revision(session.workspace, session.source.commit)
        config = workspaces.read_config(head, session.config.target)[1] if head.root + FILE in head.entries else None
        found += [workspaces.declared(head, config)] if config else []
    return found
