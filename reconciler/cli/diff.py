"""mlgit diff: the changes of the live state between two commits of its history, or between two versions' files."""

from __future__ import annotations

import click

from reconciler.cli.console import echo, print_coloured_lines
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import find_live_version, open_current_state_session
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kinds
from reconciler.model import Record, State, parse_address
from reconciler.project.data_diff import diff_contents, recorded_content
from reconciler.project.export import open_recorded_store
from reconciler.project.state_session import StateSession
from reconciler.render import history, plan_json
from reconciler.render.data_diff import data_diff_to_json, format_data_diff
from reconciler.state.history import compare_states, read_state_at

_SECONDS = 10.0
_DATA = "data"  # the kind whose files can be tables


@click.command("diff")
@click.argument("before", metavar="[REV|ADDRESS]", default="~1")
@click.argument("after", metavar="[REV|ADDRESS]", required=False)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=86_400),
    default=_SECONDS,
    show_default=True,
    help="Compare tables for so long.",
)
@format_option
@target_option
def command(before: str, after: str | None, seconds: float, form: str) -> None:
    """Show what changed in the live state between two revisions, or in the files of two versions.

    Without REV, it is what the last apply changed (~1); without a second one, it is from there to the current state.

    REV is ~1 for the state before the last apply (~2 for the one before that, as `mlgit log` numbers them), a source
    commit that was applied (a branch, a tag, a commit of `git log`), or a commit of `mlgit log`, which may be
    abbreviated. A change by hand, such as archive, counts as an apply. Before the first apply, nothing was live.

    ADDRESS is KIND/NAME@VERSION, of data or a model; without a second one, it is compared with the current version. Of
    data that is CSV, Parquet or JSON lines, columns, types, rows and values are compared too, for as long as --seconds
    says (`pip install 'mlgit[tables]'`).

    \b
    mlgit diff
    mlgit diff ~2
    mlgit diff v1.0 v1.1
    mlgit diff 3f2a91c --format json
    mlgit diff data/iris@1 data/iris@2
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    if _is_address(before, state):
        if after and "/" not in after:
            message = f"{after} is no KIND/NAME@VERSION: {before} is compared with a version"
            raise user_error("address-unknown", message, "leave it out to compare with the current version")
        old, new = find_live_version(before, state), find_live_version(after or before.partition("@")[0], state)
        return _print_version_diff(session, state, old, new, seconds, form)
    first = read_state_at(session.state_store, state, before)
    second = read_state_at(session.state_store, state, after) if after else state
    differences = compare_states(session.state_store, first, second)
    if form == "json":
        return echo(plan_json.dump_json(history.state_diff_to_json(first, second, differences)))
    return print_coloured_lines(history.format_state_diff(first, second, differences))


def _is_address(argument: str, state: State) -> bool:
    """Return True for an address: a branch may be called data/x, and is meant if nothing live is."""
    address = parse_address(argument.partition("@")[0])
    return address.kind in kinds() and bool(address.name) and ("@" in argument or address in state.current)


def _print_version_diff(  # noqa: PLR0913, PLR0917 - both versions, and how they are compared
    session: StateSession, state: State, old: Record, new: Record, seconds: float, form: str
) -> None:
    before, after = (record.address.format_with_version(record.version) for record in (old, new))
    is_data = {old.address.kind, new.address.kind} == {_DATA}
    store = open_recorded_store(session, state)
    diff = diff_contents(store, recorded_content(old), recorded_content(new), seconds if is_data else None)
    if form == "json":
        return echo(plan_json.dump_json(data_diff_to_json(before, after, diff)))
    return print_coloured_lines(format_data_diff(before, after, diff))
