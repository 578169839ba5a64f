"""mlgit state: show, repair, restore and migrate the live state."""

from __future__ import annotations

import click

from reconciler.abbreviation import abbreviate_id, pluralize
from reconciler.cli.confirm import require_approval
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import user_error
from reconciler.git.repository import user_name
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_text
from reconciler.state.history import resolve_state_commit
from reconciler.state.repair import (
    Damage,
    find_damage,
    read_state_format,
    repair_state,
    restore_remote_state,
    restore_state,
)
from reconciler.state.store import StateStore


@click.group("state")
def command() -> None:
    """Show, repair, restore and migrate the live state.

    \b
    mlgit state show
    mlgit state repair
    """


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
        "format": read_state_format(state),
        "applied": state.read().applied_commit or None,
        "note": note or None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    click.echo(plan_json.dump_json(present) if form == "json" else text.format_outline(present))


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
        click.echo("Every record of the live state can be read.")
        return
    click.echo(sanitize_text("\n".join(f"  {damage.display_name}: {_describe_repair(damage)}" for damage in damages)))
    if not auto_approve:
        require_approval("Repair the live state?", "state repair")
    commit = repair_state(session.state_store, damages, user_name())
    count = pluralize(len(damages), "record")
    click.echo(f"\nRepaired {count} in commit {abbreviate_id(commit)} of the live state.")


def _describe_repair(damage: Damage) -> str:
    if damage.good_commit:
        return f"cannot be read; its newest good copy is in {abbreviate_id(damage.good_commit)}"
    return "cannot be read, and no commit has a good copy: it will be removed; `mlgit plan` then shows the effect"


@command.command("restore")
@click.argument("commit", required=False)
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@target_option
def restore(commit: str | None, *, auto_approve: bool) -> None:
    """Restore the live state to COMMIT of its history; without COMMIT, restore it to a remote that has lost it.

    Only the records change; to undo what was applied, use `mlgit rollback`. COMMIT may be ~1, as for `mlgit diff`: the
    records as they were before the last apply.

    \b
    mlgit state restore
    mlgit state restore 3f2a91c
    """
    state = open_current_state_session().state_store
    if commit is None:
        _restore_remote_state(state, auto_approve=auto_approve)
        return
    state.ref_store.fetch()
    if commit.startswith("~"):
        commit = abbreviate_id(resolve_state_commit(state.repository, state.head_commit(), commit))
    if not auto_approve:
        require_approval(f"Restore the records of the live state as of {commit}?", "state restore")
    new = restore_state(state, commit, user_name())
    click.echo(
        f"Restored the live state as of {commit} in commit {abbreviate_id(new)}. Run `mlgit plan` to see the effect."
    )


def _restore_remote_state(state: StateStore, *, auto_approve: bool) -> None:
    newest, remote = state.ref_store.newest_known_commit(), state.remote
    if not newest or not remote:
        message = "this clone has no copy of a live state that a remote has lost"
        hint = "to go back to a commit of `mlgit log`, run `mlgit state restore COMMIT`"
        raise user_error("state-not-known", message, hint)
    if not auto_approve:
        require_approval(
            f"Push the live state as of {abbreviate_id(newest)}, the newest known here, to the remote {remote}?",
            "state restore",
        )
    if not restore_remote_state(state.ref_store):
        raise user_error("state-there", f"the remote {remote} has a live state", "there is nothing to restore")
    click.echo(f"Restored the live state as of {abbreviate_id(newest)} to the remote {remote}.")


@command.command("migrate")
@target_option
def migrate() -> None:
    """Migrate the live state to the format of this mlgit; no other command does.

    \b
    mlgit state migrate
    """
    session = open_current_state_session()
    session.state_store.ref_store.fetch()
    state_format = read_state_format(session.state_store)  # a newer one is refused; there has been no older one yet
    click.echo(f"The live state has format {state_format}, the newest that this mlgit knows: nothing to do.")
