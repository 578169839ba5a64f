"""mlgit state rm: forget addresses in the live state; what they stand for stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

import click

from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session, parse_live_address
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Address, Run, State, parse_address
from reconciler.operations.forget import (
    check_no_unfinished_run,
    forget_addresses,
    is_known_address,
    raise_if_version,
    unfinished_runs_below,
)
from reconciler.render.plan_json import dump_json
from reconciler.state.process import user_name


@click.command("rm")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--force", is_flag=True, help="Forget a job even if the end of a run of it is not recorded.")
@format_option
@target_option
def rm(addresses: tuple[str, ...], form: str, *, dry_run: bool, force: bool) -> None:
    """Forget addresses in the live state, and keep what they stand for: nothing is deleted, archived or canceled.

    ADDRESS is KIND/NAME, written in full. Versions and runs stay in the history of the live state: an asset that is
    declared again adopts the version or the run with its content, else it is created again. `mlgit plan` shows which.
    To undo it, use `mlgit state restore ~1`. An environment of a registry, such as environment/azureml/sklearn-1.5,
    loses the recipe that its first use has pinned: its next use pins that of this mlgit.

    \b
    mlgit state rm model/iris
    mlgit state rm --dry-run job/train model/iris
    """
    session = open_current_state_session()
    store = session.state_store
    store.ref_store.fetch()
    state = store.read()
    removed = _parse_addresses(addresses, state)
    if not force:
        check_no_unfinished_run(state, removed)
    runs = unfinished_runs_below(state, removed)
    commit = ""
    if not dry_run:
        commit, taken_over = forget_addresses(store, removed, session.config.lease, user_name(), force=force)
        for lock in taken_over:
            session.on_note(f"took over from {lock}: that apply has ended, or its lease has expired")
    if form == "json":
        echo(dump_json({"removed": list(map(str, removed)), "dry_run": dry_run, "commit": commit or None}))
    else:
        _print_removed(removed, runs, session.target_option, dry_run=dry_run)


def _parse_addresses(arguments: Iterable[str], state: State) -> tuple[Address, ...]:
    """Parse addresses, each counted once; raise UserError with what is wrong with all of them."""
    addresses: dict[Address, None] = {}
    diagnostics: list[Diagnostic] = []
    for argument in arguments:
        try:
            addresses[_parse_exact_address(argument, state)] = None
        except UserError as error:
            diagnostics += error.diagnostics
    if diagnostics:
        raise UserError(*diagnostics)
    return tuple(addresses)


def _parse_exact_address(argument: str, state: State) -> Address:
    address = parse_address(argument)
    if is_known_address(state, address):
        return address
    address = parse_live_address(argument, state)
    raise_if_version(argument, address)
    return address


def _print_removed(removed: tuple[Address, ...], runs: tuple[Run, ...], target: str, *, dry_run: bool) -> None:
    for address in removed:
        echo_line(f"{'Would remove' if dry_run else 'Removed'} {address} from the live state.")
    for run in runs:
        echo_line(f"  run {run.id} goes on, and its end is recorded only if an apply finds it again.")
    if not dry_run:
        echo_line(f"Nothing else was changed. Run `mlgit plan{target}` to see what the next apply does about it.")
