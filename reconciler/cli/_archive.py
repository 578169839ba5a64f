"""What archive and restore have in common: say what would be done, ask, write it into the live state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from reconciler.cli.confirm import require_approval
from reconciler.cli.session import open_current_session, parse_live_address
from reconciler.config.config import CONFIG_FILE
from reconciler.format.assets import AssetSet
from reconciler.git.repository import user_name
from reconciler.model import Address
from reconciler.operations import archive
from reconciler.operations.archive import ArchiveChange, ArchiveContext
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.source import workspace
from reconciler.state.history import format_trailers

_OPERATIONS: Mapping[str, Callable[[ArchiveContext, Address, str], ArchiveChange]] = {
    "archive": archive.archive_change,
    "restore": archive.restore_change,
}
_PAST_TENSE = {"archive": "Archived", "restore": "Restored"}


def run_archive_operation(verb: str, given: str, form: str, *, auto_approve: bool) -> None:
    """Archive or restore what was typed."""
    session = open_current_session()
    session.state_store.ref_store.fetch()
    live = session.state_store.read()
    address, version = parse_live_address(given, live), given.partition("@")[2]
    change = _OPERATIONS[verb](
        ArchiveContext(session.state_store, live, tuple(_declared_asset_sets(session))), address, version
    )
    said = [f"This would {change.sentence}.", *(f"  {note}" for note in change.notes)]
    click.echo("\n".join(said), err=form == "json")
    if not auto_approve:
        require_approval("Do this?", verb)
    message = f"{verb}: {address.format_with_version(version)}\n\n{format_trailers(user_name())}\n"
    commit = session.state_store.write(change.writes, message, since=live.commit)
    if form == "json":
        found = {"done": verb, "address": str(address), "version": version or None, "commit": commit}
        click.echo(plan_json.dump_json({**found, "notes": list(change.notes)}))
    else:
        click.echo(f"{_PAST_TENSE[verb]} {address.format_with_version(version)}.")


def _declared_asset_sets(session: Session) -> list[AssetSet]:
    """Return what the work tree declares and, where that differs, what HEAD does."""
    found = [workspace.read_asset_set(session.tree, session.config)]
    if session.source.dirty and session.source.commit:
        _, head = workspace.tree_at_revision(session.workspace, session.source.commit)
        config = (
            workspace.read_config(head, session.config.target)[1] if head.root + CONFIG_FILE in head.entries else None
        )
        found += [workspace.read_asset_set(head, config)] if config else []
    return found
