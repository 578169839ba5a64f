"""mlgit state: show, repair and restore the live state, and forget addresses in it."""

from __future__ import annotations

import click

from reconciler.abbreviation import abbreviate_id, pluralize
from reconciler.cli._state_rm import rm
from reconciler.cli.confirm import require_approval
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import user_error
from reconciler.render import outline, plan_json
from reconciler.state.history import resolve_state_commit
from reconciler.state.process import user_name
from reconciler.state.repair import (
    StateDamage,
    find_damage,
    repair_state,
    restore_remote_state,
    restore_state,
)
from reconciler.state.store import STATE_FORMAT, StateStore


@click.group("state")
def command() -> None:
    """Show, repair and restore the live state, and forget addresses in it.

    \b
    mlgit state show
    mlgit state repair
    """


command.add_command(rm)


@command.command("show")
@format_option
@target_option
def show(form: str) -> None:
    """Show where the live state is, and its newest commit known here.

    \b
    mlgit state show
    """
    session = open_current_state_session()
    note = session.fetch_state()
    state, config = session.state_store, session.config
    fields = {
        "name": state.name,
        "target": state.target,
        "lineage": state.lineage,
        "ref": state.live_ref,
        "remote": config.remote or None,
        "commit": state.head_commit() or None,
        "format": state.read_meta().get("format", STATE_FORMAT),
        "applied": state.read().applied_commit or None,
        "note": note or None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    echo(plan_json.dump_json(present) if form == "json" else outline.format_outline(present))


@command.command("repair")
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@target_option
def repair(*, auto_approve: bool) -> None:
    """Replace damaged records of the live state by their newest good copies.

    \b
    mlgit state repair
    """
    session = open_current_state_session()
    session.state_store.ref_store.fetch()
    damages = find_damage(session.state_store)
    if not damages:
        echo("Every record of the live state can be read.")
        return
    for damage in damages:
        echo_line(f"  {damage.display_name}: {_describe_repair(damage)}")
    if not auto_approve:
        require_approval("Repair the live state?", "state repair")
    commit = repair_state(session.state_store, damages, user_name())
    count = pluralize(len(damages), "record")
    echo(f"\nRepaired {count} in commit {abbreviate_id(commit)} of the live state.")


def _describe_repair(damage: StateDamage) -> str:
    if damage.good_commit:
        return f"cannot be read; its newest good copy is in {abbreviate_id(damage.good_commit)}"
    return "cannot be read, and no commit has a good copy: it will be removed; `mlgit plan` then shows the effect"


@command.command("restore")
@click.argument("commit", required=False)
@click.option(
    "--accept-remote", is_flag=True, help="Go on from a remote's state that is older than what is known here."
)
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@target_option
def restore(commit: str | None, *, accept_remote: bool, auto_approve: bool) -> None:
    """Restore the live state to COMMIT of its history; without COMMIT, restore it to a remote that has lost it.

    A remote that was set back to an older commit has lost it, too; --accept-remote goes on from that commit. Only the
    records change; to undo what was applied, use `mlgit rollback`. COMMIT may be ~1, as for `mlgit diff`: the records
    as they were before the last apply.

    \b
    mlgit state restore
    mlgit state restore 3f2a91c
    """
    state = open_current_state_session().state_store
    if accept_remote:
        if commit is not None:
            raise click.UsageError("--accept-remote takes no COMMIT: it goes on from what the remote has")
        _accept_remote_state(state, auto_approve=auto_approve)
        return
    if commit is None:
        _restore_remote_state(state, auto_approve=auto_approve)
        return
    state.ref_store.fetch()
    if commit.startswith("~"):
        commit = abbreviate_id(resolve_state_commit(state.repository, state.head_commit(), commit))
    if not auto_approve:
        require_approval(f"Restore the records of the live state as of {commit}?", "state restore")
    new = restore_state(state, commit, user_name())
    echo_line(
        f"Restored the live state as of {commit} in commit {abbreviate_id(new)}. Run `mlgit plan` to see the effect."
    )


def _restore_remote_state(state: StateStore, *, auto_approve: bool) -> None:
    newest, remote = state.ref_store.newest_known_commit(), state.remote
    if not newest or not remote:
        message = "this clone has no copy of a live state that a remote has lost"
        hint = "to go back to a commit of `mlgit log`, run `mlgit state restore COMMIT`"
        raise user_error("state-not-known", message, hint)
    state.check_format(newest)
    if not auto_approve:
        require_approval(
            f"Push the live state as of {abbreviate_id(newest)}, the newest known here, to the remote {remote}?",
            "state restore",
        )
    if not restore_remote_state(state.ref_store):
        raise user_error("state-there", f"the remote {remote} has a live state", "there is nothing to restore")
    echo_line(f"Restored the live state as of {abbreviate_id(newest)} to the remote {remote}.")


def _accept_remote_state(state: StateStore, *, auto_approve: bool) -> None:
    remote = state.remote
    if not remote:
        raise user_error("state-not-known", "this live state has no remote", "nothing is to be accepted")
    if not auto_approve:
        require_approval(f"Go on from the live state of the remote {remote}?", "state restore")
    known, present = state.ref_store.accept_remote()
    echo_line(f"Going on from {abbreviate_id(present)}, which the remote {remote} has.")
    if known != present:
        echo_line(f"The live state as of {abbreviate_id(known)} is kept in this clone.")
