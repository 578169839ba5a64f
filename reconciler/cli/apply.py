"""mlgit apply: plan, ask, do it, and say how it went."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click
import platformdirs

from reconciler import builders
from reconciler.applying.converge import Job, Result, converge
from reconciler.applying.rewind import check_rewind
from reconciler.applying.world import World
from reconciler.cli.options import guard_options, replace_option
from reconciler.cli.plan import made, policy_of
from reconciler.cli.session import Session, checked, keep, open_session
from reconciler.cli.terminal import Progressing, Terminal, is_interactive
from reconciler.content.store import Store
from reconciler.diagnostics import failure
from reconciler.git.repository import user
from reconciler.model import Address, Progress, Run, Status
from reconciler.planning.observed import unfinished
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy
from reconciler.render import text
from reconciler.render.excerpt import inline

_TAIL_BYTES = 4096


@click.command("apply")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Wait for runs to end, and register what they make.")
@click.option("--allow-dirty", is_flag=True, help="Apply the work tree though it differs from HEAD; it is recorded.")
@click.option("--allow-rewind", is_flag=True, help="Apply a commit that does not follow the one applied last.")
@replace_option
@guard_options
def command(  # noqa: PLR0913 - one parameter for each option
    *,
    auto_approve: bool,
    wait: bool,
    allow_dirty: bool,
    allow_rewind: bool,
    replaced: tuple[str, ...],
    allow_submit: int | None,
    allow_mass_delete: bool,
) -> int:
    """Make the live state what Git declares: register, build, submit.

    \b
    mlgit apply
    mlgit apply --auto-approve --wait
    """
    session = open_session(keep=allow_dirty)
    refuse_dirty(session, allow_dirty=allow_dirty)
    policy = policy_of(session, replaced, allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=allow_rewind)
    return carry_out(session, policy, None, auto_approve=auto_approve, wait=wait)


def carry_out(session: Session, policy: Policy, only: Address | None, *, auto_approve: bool, wait: bool) -> int:
    """Plan, ask, apply; return the exit code. With ``only``, what concerns another asset is left for later."""
    terminal = Terminal()
    live = session.state.read()
    desired = checked(session, live)
    noted = check_rewind(session.workspace.repository, live, session.source, policy)
    planned = made(session, desired, live, policy, refresh=True)
    job = Job(desired, policy, _title(session), only)
    actions = tuple(each for each in planned.actions if job.allows(each))
    planned = replace(planned, actions=actions, notes=(*planned.notes, *noted))
    terminal.show(text.plan(planned))
    running = [each.run for each in planned.pending if each.run and not each.failed]
    if not planned.actions and not (wait and running):
        return 0
    if planned.decisions and not auto_approve:
        _ask()
    click.echo()
    world = _world(session)
    source = keep(session, session.source)
    job = replace(job, desired=Desired(source, desired.tree, desired.declared, desired.ancestry))
    try:
        with Progressing(terminal, lambda run: _tail(world, run)) as watch:
            result = converge(world, job, planned, watch, wait=wait)
    except KeyboardInterrupt as stopped:
        click.echo(err=True)
        raise click.Abort(_interrupted(session)) from stopped
    return _ended(result)


def _interrupted(session: Session) -> str:
    """Say what an interrupt has left: the record of what was done, and the runs, which go on."""
    runs = [run for run in unfinished(session.live()) if run.status in (Status.QUEUED, Status.RUNNING)]
    going_on = [f"run {run.id} goes on; stop it with `mlgit job cancel {run.address.name}`" for run in runs]
    recorded = "interrupted; what was done by then is recorded. `mlgit apply` goes on from there."
    return "\n".join([recorded, *going_on])


def refuse_dirty(session: Session, *, allow_dirty: bool) -> None:
    """Refuse a work tree that differs from HEAD: what is applied must be in Git's history."""
    if not session.source.commit:
        message = "there is no commit yet, and what is applied must be in Git"
        raise failure("no-commit", message, "run `git add -A && git commit` first")
    if session.source.dirty and not allow_dirty:
        message = "the work tree differs from HEAD, and what is applied must be in Git"
        hint = "commit first (`git status` shows what differs), or take it as it is with --allow-dirty"
        raise failure("work-tree-dirty", message, hint)


def _world(session: Session) -> World:
    """Open everything that an apply acts on."""
    cache = Path(os.environ.get("MLGIT_CACHE_DIR") or platformdirs.user_cache_path("mlgit"))
    return World(
        local=session.workspace.local,
        repository=session.workspace.repository,
        config=session.config,
        state=session.state,
        store=Store(session.store),
        builder=builders.load(session.config.builder, cache / "environments"),
        backends=session.backends(),
    )


def _title(session: Session) -> str:
    return f"source: {session.source.commit}{' with changes' if session.source.dirty else ''}\nby: {user()}"


def _ask() -> None:
    if not is_interactive():
        message = "apply asks before it acts, and nobody is there to answer"
        raise failure("approval-needed", message, "say yes beforehand with --auto-approve")
    try:
        answer = click.prompt("\nApply this? Only yes is taken for an answer", default="", show_default=False)
    except click.Abort as stopped:
        click.echo(err=True)
        raise click.Abort("interrupted; nothing was changed") from stopped
    if answer.strip() != "yes":
        raise failure("not-approved", "not approved; nothing was changed")


def _tail(world: World, run: Run) -> str:
    """Return the last line that a run has written."""
    log: Path = world.backend(run.backend).log(run.id)
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _ended(result: Result) -> int:
    skipped = sum(each.progress is Progress.SKIPPED for each in result.failed)
    failed = len(result.failed) - skipped + len(result.broken)
    counts = ((failed, "failed"), (skipped, "skipped"))
    said = "".join(f", {number} {what}" for number, what in counts if number)
    click.echo(f"\nApplied {text.counted(result.done, 'action')}{said}.")
    for each in result.pending:
        click.echo(inline(f"  {each.address}: {each.message}"))
    if result.failed:
        click.echo("\nMend what failed, then run `mlgit apply` again: it goes on from here.")
    elif not failed and any(each.run for each in result.pending):
        click.echo("\n`mlgit apply --wait` waits for what is running and registers what it makes.")
    return int(bool(failed))
