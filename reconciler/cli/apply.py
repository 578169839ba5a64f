"""mlgit apply: plan, ask, do it, and say how it went."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from reconciler.applying.claiming import sweep
from reconciler.applying.ending import Ending
from reconciler.applying.job import PARALLELISM, Job, Result
from reconciler.applying.rewind import check_rewind, lift
from reconciler.applying.world import World
from reconciler.cli.approved import read_plan, session_of
from reconciler.cli.asking import ask
from reconciler.cli.options import format_option, guard_options, replace_option, select_options, target_option
from reconciler.cli.planned import made, policy_of
from reconciler.cli.session import Session, checked, open_session
from reconciler.cli.stream import Stream, streaming
from reconciler.cli.terminal import Progressing, Terminal
from reconciler.diagnostics import failure
from reconciler.live.process import host
from reconciler.model import Address, Pending, Plan, Progress, Run, Status
from reconciler.planning import saved
from reconciler.planning.hosts import foretold
from reconciler.planning.observed import unfinished
from reconciler.planning.policy import Policy
from reconciler.planning.saved import Saved
from reconciler.render import as_json, text
from reconciler.render.excerpt import inline
from reconciler.workbench.doing import apply as make
from reconciler.workbench.doing import title as title
from reconciler.workbench.doing import world as world_of
from reconciler.workbench.narrowed import share

_TAIL_BYTES = 4096


@click.command("apply")
@click.argument("plan", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Wait for runs to end, and register what they make.")
@click.option("--allow-dirty", is_flag=True, help="Apply the work tree though it differs from HEAD; it is recorded.")
@click.option("--allow-rewind", is_flag=True, help="Apply a commit that does not follow the one applied last.")
@click.option(
    "--parallelism",
    type=click.IntRange(min=1),
    default=PARALLELISM,
    show_default=True,
    metavar="N",
    help="How many actions that take long are done side by side.",
)
@select_options
@replace_option
@guard_options
@format_option
@target_option
def command(  # noqa: PLR0913 - one parameter for each option
    plan: Path | None,
    *,
    auto_approve: bool,
    wait: bool,
    allow_dirty: bool,
    allow_rewind: bool,
    parallelism: int,
    selected: tuple[str, ...],
    excluded: tuple[str, ...],
    replaced: tuple[str, ...],
    allow_submit: int | None,
    allow_mass_delete: bool,
    form: str,
) -> int:
    """Make the live state what Git declares: register, build, submit. With PLAN, a saved one, exactly that.

    What is applied is the commit that is checked out; for another one, `mlgit plan --ref REV -o FILE` makes a PLAN.

    \b
    mlgit apply
    mlgit apply --auto-approve --wait
    mlgit plan -o plan.json && mlgit apply plan.json
    """
    asked = any((allow_dirty, allow_rewind, selected, excluded, replaced, allow_submit is not None, allow_mass_delete))
    if plan is not None and asked:
        raise click.UsageError("what a saved plan may do was said when it was made: give `mlgit plan -o` the options")

    def work(told: Stream | None) -> int:
        if plan is not None:
            approved = read_plan(plan)
            session = session_of(approved, plan)
            policy = saved.policy_of(approved, session.config)
            return carry_out(
                session,
                policy,
                None,
                auto_approve=True,
                wait=wait,
                parallelism=parallelism,
                approved=approved,
                told=told,
            )
        session = open_session(keep=allow_dirty)
        refuse_dirty(session, allow_dirty=allow_dirty)
        policy = policy_of(
            session, replaced, allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=allow_rewind
        )
        policy = replace(policy, select=selected, exclude=excluded)
        return carry_out(
            session, policy, None, auto_approve=auto_approve, wait=wait, parallelism=parallelism, told=told
        )

    return streaming(work) if form == "json" else work(None)


def carry_out(  # noqa: PLR0913 - what is to be done, and who said so
    session: Session,
    policy: Policy,
    only: Address | None,
    *,
    auto_approve: bool,
    wait: bool,
    parallelism: int = PARALLELISM,
    approved: Saved | None = None,
    told: Stream | None = None,
) -> int:
    """Plan, ask, apply; return the exit code. With ``only``, what concerns another asset is left for later.

    With ``approved`` nothing is done that is not in that saved plan; with ``told`` a program looks on, not a person.
    """
    if told:
        told.started(session.source)
    session.state.home.refresh()
    live = session.state.read()
    if approved:
        saved.refuse_stale(approved, live)
    desired = checked(session, live)
    noted = check_rewind(session.workspace.repository, live, session.source, policy)
    planned = made(session, desired, live, policy, refresh=True)
    planned = saved.agreed(approved, planned, live) if approved else planned
    among = frozenset(each.key for each in planned.decisions) if approved else None
    job = Job(desired, policy, "", only, among, parallelism)
    planned = replace(planned, actions=tuple(each for each in planned.actions if job.allows(each)))
    body = as_json.body(planned, policy)
    job = replace(job, title=title(session, approved.digest if approved else saved.digest(body)))
    planned = replace(planned, notes=(*planned.notes, *noted, *foretold(planned, session.config, host())))
    if told:
        told.planned(planned, body)
    else:
        Terminal().show(session.heading + text.plan(planned))
    running = [each.run for each in planned.pending if each.run and not each.failed]
    if not planned.actions and not (wait and running):
        lift(session.state, live, session.source, policy, job.title)
        for each in sweep(session.state, session.config.lease):
            (told.note if told else click.echo)(f"Ended the claims of {each}: that apply is no more.")
        return int(wait and _has_failed(planned.pending))
    if planned.decisions and not auto_approve:
        ask("Apply this?", "apply", possible=told is None)
    if told is None:
        click.echo()
    return execute(session, job, planned, wait=wait, told=told)


def execute(session: Session, job: Job, planned: Plan, *, wait: bool, told: Stream | None = None) -> int:
    """Do an approved plan and show how it goes; return the exit code."""
    world, ending = world_of(session), Ending()
    try:
        with ending.listening(), told or Progressing(Terminal(), lambda run: _tail(world, run)) as watch:
            result = make(session, world, job, planned, watch, wait=wait, stopping=ending)
    except KeyboardInterrupt as stopped:
        raise _interrupted(session) from stopped
    if ending():
        raise _interrupted(session)
    ended = _ended(result, told)
    with suppress(KeyboardInterrupt):  # all that was asked for is done and said
        share(session)
    return ended or int(wait and _has_failed(result.pending))


def _has_failed(pending: Sequence[Pending]) -> bool:
    """Tell whether something that is declared has failed, in an earlier apply too: who waits for all of it is told."""
    return any(each.failed for each in pending)


def _interrupted(session: Session) -> click.Abort:
    """Say what an interrupt has left: the record of what was done, and the runs, which go on."""
    runs = [run for run in unfinished(session.live()) if run.status in (Status.QUEUED, Status.RUNNING)]
    going_on = [f"run {run.id} goes on; stop it with `mlgit job cancel {run.address.name}`" for run in runs]
    recorded = "interrupted; what was done is recorded. `mlgit apply` goes on from there."
    return click.Abort("\n".join(["", recorded, *going_on]))


def refuse_dirty(session: Session, *, allow_dirty: bool) -> None:
    """Refuse a work tree that differs from HEAD: what is applied must be in Git's history."""
    if not session.source.commit:
        message = "there is no commit yet, and what is applied must be in Git"
        raise failure("no-commit", message, "run `git add -A && git commit` first")
    if session.source.dirty and not allow_dirty:
        differing = text.some(session.uncommitted())
        message = f"the work tree differs from HEAD in {differing}, and what is applied must be in Git"
        hint = "commit first, have .gitignore leave out what is no part of it, or take all as it is with --allow-dirty"
        raise failure("work-tree-dirty", message, hint)


def _tail(world: World, run: Run) -> str:
    """Return the last line that a run has written."""
    log: Path = world.backend(run.backend).log(run.id)
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _applied(result: Result) -> str:
    """Say what was done, as a plan counts it, and beside that how many runs were recorded."""
    recorded = len(result.ended)
    changes = f"Applied {text.counted(result.done - recorded, 'change')}"
    if not recorded:
        return changes
    runs = text.counted(recorded, "run")
    return f"{changes} and recorded {runs}" if result.done > recorded else f"Recorded {runs}"


def _ended(result: Result, told: Stream | None) -> int:
    skipped = sum(each.progress is Progress.SKIPPED for each in result.failed)
    failed = len(result.failed) - skipped + len(result.broken)
    if told:
        told.applied(done=result.done, failed=failed, skipped=skipped, barred=len(result.barred))
        return int(bool(failed or result.barred))
    counts = ((failed, "failed"), (skipped, "skipped"), (len(result.barred), "left to another apply"))
    said = "".join(f", {number} {what}" for number, what in counts if number)
    click.echo(f"\n{_applied(result)}{said}.")
    for each in result.pending:
        click.echo(inline(f"  {each.address}: {each.message}"))
    if result.failed:
        click.echo("\nMend what failed, then run `mlgit apply` again: it goes on from here.")
    elif not failed and any(each.run for each in result.pending):
        click.echo("\n`mlgit apply --wait` waits for what is running and registers what it makes.")
    return int(bool(failed or result.barred))
