"""mlgit state: the live state itself, where it is and how to mend it."""

from __future__ import annotations

import click

from reconciler.abbreviation import abbreviate_id
from reconciler.cli.confirm import require_approval
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.git.repository import user_name
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_text
from reconciler.state import repair as mending
from reconciler.state.history import resolve_state_commit
from reconciler.state.repair import Damage
from reconciler.state.store import StateStore


@click.group("state")
def command() -> None:
    """Look after the live state itself.

    \b
    mlgit state show
    mlgit state repair
    """


@command.command("show")
@format_option
@target_option
def show(form: str) -> None:
    """Say where the live state is, and how new what is known of it here.

    \b
    mlgit state show
    """
    session = open_current_session()
    said = session.fetch_state()
    state, config = session.state_store, session.config
    found = {
        "name": state.name,
        "target": state.target,
        "lineage": state.lineage,
        "ref": state.live_ref,
        "remote": config.remote or None,
        "commit": state.head_commit() or None,
        "format": mending.read_state_format(state),
        "applied": state.read().applied_commit or None,
        "note": said or None,
    }
    shown = {name: each for name, each in found.items() if each is not None}
    click.echo(plan_json.dump_json(shown) if form == "json" else text.format_outline(shown))


@command.command("repair")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@target_option
def repair(*, auto_approve: bool) -> None:
    """Find what is damaged in the live state, and put the newest good copy of it in place.

    \b
    mlgit state repair
    """
    session = open_current_session()
    session.state_store.ref_store.fetch()
    found = mending.find_damage(session.state_store)
    if not found:
        click.echo("Every record of the live state can be read.")
        return
    click.echo(sanitize_text("\n".join(f"  {damage.display_name}: {_describe_repair(damage)}" for damage in found)))
    if not auto_approve:
        require_approval("Repair the live state like this?", "state repair")
    commit = mending.repair_state(session.state_store, found, user_name())
    click.echo(
        f"\nRepaired {text.pluralize(len(found), 'record')}, as commit {abbreviate_id(commit)} of the live state."
    )


def _describe_repair(damage: Damage) -> str:
    if damage.good_commit:
        return f"cannot be read; its newest good copy is of {abbreviate_id(damage.good_commit)}"
    return "cannot be read, and no commit has a good copy: it is left out, and the next plan says what that means"


@command.command("restore")
@click.argument("commit", required=False)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@target_option
def restore(commit: str | None, *, auto_approve: bool) -> None:
    """Put the live state back: as it was at COMMIT of its history, or, without one, where a remote has lost it.

    Only what is recorded goes back, nothing is undone in the world: `mlgit rollback` does that. COMMIT may be ~1, as
    of `mlgit diff`: the records as they were before the last apply.

    \b
    mlgit state restore
    mlgit state restore 3f2a91c
    """
    state = open_current_session().state_store
    if commit is None:
        _restore_remote_state(state, auto_approve=auto_approve)
        return
    state.ref_store.fetch()
    if commit.startswith("~"):
        commit = abbreviate_id(resolve_state_commit(state.repository, state.head_commit(), commit))
    if not auto_approve:
        require_approval(f"Make the records what they were at {commit}?", "state restore")
    new = mending.restore_state(state, commit, user_name())
    click.echo(
        f"The live state is as of {commit} again, as commit {abbreviate_id(new)}. `mlgit plan` shows what that means."
    )


def _restore_remote_state(state: StateStore, *, auto_approve: bool) -> None:
    newest, remote = state.ref_store.newest_known_commit(), state.remote
    if not newest or not remote:
        message = "there is no copy here of a live state that a remote has lost"
        hint = "`mlgit state restore COMMIT` goes back to a commit that `mlgit log` shows"
        raise user_error("state-not-known", message, hint)
    if not auto_approve:
        require_approval(
            f"Give the remote {remote} the live state as of {abbreviate_id(newest)}, the newest known here?",
            "state restore",
        )
    if not mending.restore_remote_state(state.ref_store):
        raise user_error("state-there", f"the remote {remote} has a live state", "there is nothing to put back")
    click.echo(f"The remote {remote} has the live state as of {abbreviate_id(newest)} again.")


@command.command("migrate")
@target_option
def migrate() -> None:
    """Raise the format of the live state to that of this mlgit; nothing else ever does.

    \b
    mlgit state migrate
    """
    session = open_current_session()
    session.state_store.ref_store.fetch()
    written = mending.read_state_format(session.state_store)  # a newer one is refused; there has been no older one yet
    click.echo(f"The live state is written in format {written}, the newest that this mlgit knows: nothing to do.")
