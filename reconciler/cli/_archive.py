"""What archive and restore share: show the change, ask for approval, write it to the live state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.cli.confirm import require_approval
from reconciler.cli.console import echo, echo_line
from reconciler.cli.session import open_current_session
from reconciler.cli.state_session import parse_live_address
from reconciler.model import Address
from reconciler.operations.archive import ArchiveChange, ArchiveContext, archive_change, restore_change
from reconciler.project.check import declared_asset_sets
from reconciler.render.plan_json import dump_json
from reconciler.state.history import format_trailers
from reconciler.state.process import user_name

_OPERATIONS: Mapping[str, Callable[[ArchiveContext, Address, str], ArchiveChange]] = {
    "archive": archive_change,
    "restore": restore_change,
}
_PAST_TENSE = {"archive": "Archived", "restore": "Restored"}


def run_archive_operation(verb: str, argument: str, form: str, *, auto_approve: bool) -> None:
    """Archive or restore the asset, or the version of it, that the argument names."""
    session = open_current_session()
    state = session.fetch_and_read_state()
    address, version = parse_live_address(argument, state), argument.partition("@")[2]
    context = ArchiveContext(session.state_store, state, declared_asset_sets(session))
    change = _OPERATIONS[verb](context, address, version)
    lines = [f"This will {change.sentence}.", *(f"  {note}" for note in change.notes)]
    for line in lines:
        echo_line(line, err=form == "json")
    if not auto_approve:
        require_approval("Continue?", verb)
    message = f"{verb}: {address.format_with_version(version)}\n\n{format_trailers(user_name())}\n"
    commit = session.state_store.write(change.writes, message, since=state.commit)
    if form == "json":
        result = {"done": verb, "address": str(address), "version": version or None, "commit": commit}
        echo(dump_json({**result, "notes": list(change.notes)}))
    else:
        echo_line(f"{_PAST_TENSE[verb]} {address.format_with_version(version)}.")
