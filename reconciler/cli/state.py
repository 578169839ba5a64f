"""mlgit state: the live state itself, where it is and how to mend it."""

from __future__ import annotations

import click

from reconciler.applying.history import commit_at
from reconciler.cli.asking import ask
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_session
from reconciler.diagnostics import failure
from reconciler.git.repository import user
from reconciler.live import repair as mending
from reconciler.live.repair import Damage
from reconciler.live.state import State
from reconciler.render import as_json, text
from reconciler.render.excerpt import visible

_SHORT = 10


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
    session = open_session()
    said = session.refresh()
    state, config = session.state, session.config
    found = {
        "name": state.name,
        "target": state.target,
        "lineage": state.lineage,
        "ref": state.ref,
        "remote": config.remote or None,
        "commit": state.commit() or None,
        "format": mending.written_format(state),
        "applied": state.read().applied or None,
        "note": said or None,
    }
    shown = {name: each for name, each in found.items() if each is not None}
    click.echo(as_json.dump(shown) if form == "json" else text.outline(shown))


@command.command("repair")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@target_option
def repair(*, auto_approve: bool) -> None:
    """Find what is damaged in the live state, and put the newest good copy of it in place.

    \b
    mlgit state repair
    """
    session = open_session()
    session.state.home.refresh()
    found = mending.damages(session.state)
    if not found:
        click.echo("Every record of the live state can be read.")
        return
    click.echo(visible("\n".join(f"  {each.subject}: {_cure(each)}" for each in found)))
    if not auto_approve:
        ask("Repair the live state like this?", "state repair")
    commit = mending.repair(session.state, found, user())
    click.echo(f"\nRepaired {text.counted(len(found), 'record')}, as commit {commit[:_SHORT]} of the live state.")


def _cure(damage: Damage) -> str:
    if damage.good:
        return f"cannot be read; its newest good copy is of {damage.good[:_SHORT]}"
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
    state = open_session().state
    if commit is None:
        _put_back(state, auto_approve=auto_approve)
        return
    state.home.refresh()
    if commit.startswith("~"):
        commit = commit_at(state.repository, state.commit(), commit)[:_SHORT]
    if not auto_approve:
        ask(f"Make the records what they were at {commit}?", "state restore")
    new = mending.restore(state, commit, user())
    click.echo(f"The live state is as of {commit} again, as commit {new[:_SHORT]}. `mlgit plan` shows what that means.")


def _put_back(state: State, *, auto_approve: bool) -> None:
    newest, remote = state.home.newest(), state.remote
    if not newest or not remote:
        message = "there is no copy here of a live state that a remote has lost"
        hint = "`mlgit state restore COMMIT` goes back to a commit that `mlgit log` shows"
        raise failure("state-not-known", message, hint)
    if not auto_approve:
        ask(f"Give the remote {remote} the live state as of {newest[:_SHORT]}, the newest known here?", "state restore")
    if not mending.put_back(state.home):
        raise failure("state-there", f"the remote {remote} has a live state", "there is nothing to put back")
    click.echo(f"The remote {remote} has the live state as of {newest[:_SHORT]} again.")


@command.command("migrate")
@target_option
def migrate() -> None:
    """Raise the format of the live state to that of this mlgit; nothing else ever does.

    \b
    mlgit state migrate
    """
    session = open_session()
    session.state.home.refresh()
    written = mending.written_format(session.state)  # a newer one is refused; there has been no older one yet
    click.echo(f"The live state is written in format {written}, the newest that this mlgit knows: nothing to do.")
