"""mlgit unlock: list locks, and remove one from an apply that does not release it."""

from __future__ import annotations

import click

from reconciler.abbreviation import join_some, pluralize
from reconciler.cli.confirm import require_approval
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Lock
from reconciler.render import plan_json
from reconciler.state.lease import remove_lock
from reconciler.state.locks import LOCKS_REF, list_lock_holders, lock_to_json, read_locks
from reconciler.state.refs import RefStore


@click.command("unlock")
@click.argument("holder", required=False)
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@format_option
@target_option
def command(holder: str | None, form: str, *, auto_approve: bool) -> None:
    """Release another apply's lock, or list current locks.

    This is rarely needed: the next apply takes over the lock of an apply that has ended, or that sent no heartbeat for
    the time of a lease. An apply whose lock was removed can record nothing more.

    \b
    mlgit unlock
    mlgit unlock 9f86d081884c
    """
    session = open_current_state_session()
    ref_store = session.state_store.ref_store
    if holder is None:
        if note := session.fetch_state():  # locks are listed without the remote, too; the note says how old they are
            session.on_note(note)
        session.state_store.check_format()
        _print_locks(list(read_locks(ref_store.repository, ref_store.read_ref(LOCKS_REF)).values()), form)
        return
    ref_store.fetch()
    session.state_store.check_format()
    commit = ref_store.read_ref(LOCKS_REF)
    holders = list_lock_holders(ref_store.repository, commit)
    if holder not in holders:
        hint = did_you_mean(holder, sorted(holders)) or "run `mlgit unlock` to list the locks"
        raise user_error("holder-unknown", f"{holder} holds no locks", hint)
    echo_line(f"{holder}: {_describe_lock(ref_store, commit, holder)}.")
    if not auto_approve:
        require_approval("Remove this lock?", "unlock")
    remove_lock(ref_store, holder)
    echo("Lock removed. What that apply recorded is kept; run `mlgit apply` to continue.")


def _describe_lock(ref_store: RefStore, commit: str, holder: str) -> str:
    """Return who holds a lock, and on how many assets."""
    try:
        lock = read_locks(ref_store.repository, commit)[holder]
    except UserError as error:
        return error.diagnostics[0].message
    return f"{lock}, locks {pluralize(len(lock.exclusive), 'asset')}"


def _print_locks(locks: list[Lock], form: str) -> None:
    if form == "json":
        echo(plan_json.dump_json([lock_to_json(lock) for lock in locks]))
    elif not locks:
        echo("There are no locks.")
    else:
        rows = [(lock.holder, f"{lock.user} on {lock.host}", lock.since, _format_locked_assets(lock)) for lock in locks]
        print_table(("HOLDER", "WHO", "SINCE", "LOCKED"), rows)


def _format_locked_assets(lock: Lock) -> str:
    return join_some(sorted(map(str, lock.exclusive)))
