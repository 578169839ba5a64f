"""mlgit list: list live or declared assets, all or of one kind, or the versions of one.

Imported by name: ``cli._declared_assets``, which reads the files, for --declared, and ``cli._curated_environments``,
which reads the catalogue, for --curated.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import NamedTuple

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session, parse_live_address
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Json, Record, parse_address
from reconciler.project.state_session import StateSession
from reconciler.render import plan_json


class _Row(NamedTuple):
    """A version to list; whether it is the current one is None if only current ones are listed."""

    record: Record
    is_current: bool | None = None


@click.command("list")
@click.argument("selection", metavar="[KIND|ADDRESS]", required=False)
@click.option("--archived", "--include-archived", is_flag=True, help="Include archived assets and versions.")
@click.option("--all", "everything", is_flag=True, help="List every version of every asset, archived ones too.")
@click.option("--declared", is_flag=True, help="List the assets that the files declare instead.")
@click.option("--curated", is_flag=True, help="List the curated environments of Azure ML that mlgit can make.")
@format_option
@target_option
def command(  # noqa: PLR0913 - an option for each thing to list
    selection: str | None, form: str, *, archived: bool, everything: bool, declared: bool, curated: bool
) -> None:
    """List live assets, all or of one KIND, with their current version; with ADDRESS, the versions of that asset.

    \b
    mlgit list model
    mlgit list model/iris --include-archived
    mlgit list --all
    mlgit list --declared --format json
    mlgit list environment --curated
    """
    if declared and (archived or everything):
        raise click.UsageError("--declared lists what files declare, which has no archived or older versions")
    if curated and (archived or everything or declared or selection not in {None, "environment"}):
        raise click.UsageError("--curated lists what comes with mlgit: `mlgit list environment --curated`")
    if curated:
        importlib.import_module("reconciler.cli._curated_environments").print_curated_environments(form)
        return
    kind, address = _parse_selection(selection)
    if declared:
        importlib.import_module("reconciler.cli._declared_assets").print_declared_assets(kind, address, form)
        return
    session = open_current_state_session()
    state = session.read_refreshed_state()
    if address is not None:
        records = [state.current[parse_live_address(str(address), state)]]
    else:
        records = [record for record in state.current.values() if kind in (None, record.address.kind)]
    lists_versions = everything or address is not None
    rows = _list_versions(session, records) if lists_versions else [_Row(record) for record in records]
    shown = [row for row in rows if archived or everything or not row.record.archived]
    if form == "json":
        echo(plan_json.dump_json([_row_to_json(row) for row in shown]))
    else:
        _print_rows(shown, selection or "asset")
        if address is not None:
            _print_hints(address, len(rows) - len(shown))


def _parse_selection(selection: str | None) -> tuple[str | None, Address | None]:
    """Return the kind, or the address, to list; neither for everything."""
    if selection is None or selection in kinds():
        return selection, None
    address = parse_address(selection)
    if "/" in selection and address.kind in kinds():
        if "@" in selection:
            raise click.UsageError(f"list shows all versions of an asset; `mlgit show {selection}` shows one")
        return address.kind, address
    unknown = address.kind if "/" in selection else selection
    hint = did_you_mean(unknown, kinds()) or f"kinds: {', '.join(kinds())}"
    raise click.UsageError(f"there is no kind {unknown}; {hint}")


def _list_versions(session: StateSession, records: Sequence[Record]) -> list[_Row]:
    """Return every version of the assets with some records, newest first; of other assets the record."""
    versioned = [record for record in records if record.version]
    versions = session.state_store.versions_by_asset(versioned)
    return [
        _Row(record, is_current=True) if version.version == record.version else _Row(version, is_current=False)
        for record in records
        for version in versions.get(record.address) or [record]
    ]


def _row_to_json(row: _Row) -> Json:
    current = {} if row.is_current is None else {"current": row.is_current}
    return {**plan_json.record_to_json(row.record), **current}


def _print_rows(rows: Sequence[_Row], name: str) -> None:
    if not rows:
        return echo_line(f"No {name} is live.")
    cells = [(str(row.record.address), _format_version(row), row.record.source, row.record.applied_at) for row in rows]
    return print_table(("ADDRESS", "VERSION", "FILE", "APPLIED"), cells)


def _format_version(row: _Row) -> str:
    """Return the version of a record, or its run if it has none, and whether it is archived, recorded only, current."""
    record = row.record
    if record.archived:
        mark = "(archived)"
    elif plan_json.recorded_only_reason(record):
        mark = "(recorded only)"
    else:
        mark = "(current)" if row.is_current and record.version else ""
    return " ".join(filter(None, (record.version or record.run, mark)))


def _print_hints(address: Address, hidden: int) -> None:
    """Print to stderr what a list of the versions of an asset does not have."""
    if hidden:
        echo_line(f"{pluralize(hidden, 'archived version')} not listed; use --include-archived", err=True)
    if kind_by_name(address.kind).is_runnable:
        echo_line(f"`mlgit job list {address.name}` lists its runs.", err=True)
