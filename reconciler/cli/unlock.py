"""mlgit unlock: take a claim away from an apply that will not give it back."""

from __future__ import annotations

import click

from reconciler.abbreviation import join_some
from reconciler.cli.confirm import require_approval
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Lock
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_text
from reconciler.state import lease, locks
from reconciler.state.refs import RefStore


@click.command("unlock")
@click.argument("holder", required=False)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@format_option
@target_option
def command(holder: str | None, form: str, *, auto_approve: bool) -> None:
    """Take away what an apply has claimed; without HOLDER, list who has claimed what.

    It is rarely needed: the next apply takes over by itself from one that has ended, and from one that was not heard
    of for the time of a lease. The other apply, should it go on, can record nothing more.

    \b
    mlgit unlock
    mlgit unlock 9f86d081884c
    """
    session = open_current_session()
    home = session.state_store.ref_store
    if holder is None:
        if said := session.fetch_state():  # to look is possible without the others; how old it is must be known
            session.on_note(said)
        _print_locks(list(locks.read_locks(home.repository, home.read_ref(locks.LOCKS_REF)).values()), form)
        return
    home.fetch()
    commit = home.read_ref(locks.LOCKS_REF)
    known = locks.list_lock_holders(home.repository, commit)
    if holder not in known:
        hint = did_you_mean(holder, sorted(known)) or "`mlgit unlock` lists those who have"
        raise user_error("holder-unknown", f"{holder} has claimed nothing", hint)
    click.echo(sanitize_text(f"{holder}: {_describe_lock(home, commit, holder)}."))
    if not auto_approve:
        require_approval("Take it away?", "unlock")
    lease.remove_lock(home, holder)
    click.echo("Taken away. What that apply had recorded stands; `mlgit apply` goes on from there.")


def _describe_lock(home: RefStore, commit: str, holder: str) -> str:
    """Say whose claim it is, and how much."""
    try:
        claim = locks.read_locks(home.repository, commit)[holder]
    except UserError as error:
        return error.diagnostics[0].message
    return f"{claim}, has claimed {text.pluralize(len(claim.exclusive), 'asset')}"


def _print_locks(found: list[Lock], form: str) -> None:
    if form == "json":
        click.echo(plan_json.dump_json([locks.lock_to_json(lock) for lock in found]))
    elif not found:
        click.echo("Nobody has claimed anything.")
    else:
        rows = [(lock.holder, f"{lock.user} on {lock.host}", lock.since, _format_locked_assets(lock)) for lock in found]
        Terminal().print_table(("HOLDER", "WHO", "SINCE", "CLAIMS"), rows)


def _format_locked_assets(claim: Lock) -> str:
    return join_some(sorted(map(str, claim.exclusive)))
