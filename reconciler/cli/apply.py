"""mlgit apply: plan, ask, do it, and say how it went."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from reconciler.abbreviation import join_some
from reconciler.cli._plan import plan_session, policy_from_options
from reconciler.cli._saved_plan import open_session_for_plan, read_saved_plan
from reconciler.cli.confirm import require_approval
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import format_option, guard_options, replace_option, select_options, target_option
from reconciler.cli.session import Session, load_desired, open_session
from reconciler.cli.terminal import Terminal, TerminalApplyListener
from reconciler.diagnostics import user_error
from reconciler.engine.locking import release_stale_locks
from reconciler.engine.providers import Providers
from reconciler.engine.request import DEFAULT_PARALLELISM, ApplyRequest, ApplyResult
from reconciler.engine.signals import GracefulShutdown
from reconciler.model import Address, Blocked, Plan, Progress, Run, RunStatus
from reconciler.planning import saved
from reconciler.planning.affinity import deferred_notes
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import unfinished_runs
from reconciler.planning.saved import SavedPlan
from reconciler.project.apply import apply_plan as make
from reconciler.project.apply import commit_trailers as commit_trailers
from reconciler.project.apply import open_providers as world_of
from reconciler.project.incremental import share_index
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_line
from reconciler.state.fast_forward import check_fast_forward, lift_rollback_hold
from reconciler.state.process import host_name

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
    default=DEFAULT_PARALLELISM,
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

    def work(told: EventStream | None) -> int:
        if plan is not None:
            approved = read_saved_plan(plan)
            session = open_session_for_plan(approved, plan)
            policy = saved.policy_from_plan(approved, session.config)
            return run_apply(
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
        refuse_dirty_work_tree(session, allow_dirty=allow_dirty)
        policy = policy_from_options(
            session, replaced, allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=allow_rewind
        )
        policy = replace(policy, select=selected, exclude=excluded)
        return run_apply(
            session, policy, None, auto_approve=auto_approve, wait=wait, parallelism=parallelism, told=told
        )

    return run_with_event_stream(work) if form == "json" else work(None)


def run_apply(  # noqa: PLR0913 - what is to be done, and who said so
    session: Session,
    policy: Policy,
    only: Address | None,
    *,
    auto_approve: bool,
    wait: bool,
    parallelism: int = DEFAULT_PARALLELISM,
    approved: SavedPlan | None = None,
    told: EventStream | None = None,
) -> int:
    """Plan, ask, apply; return the exit code. With ``only``, what concerns another asset is left for later.

    With ``approved`` nothing is done that is not in that saved plan; with ``told`` a program looks on, not a person.
    """
    if told:
        told.write_plan_started(session.source)
    session.state_store.ref_store.fetch()
    live = session.state_store.read()
    if approved:
        saved.raise_if_stale(approved, live)
    desired = load_desired(session, live)
    noted = check_fast_forward(session.workspace.repository, live, session.source, allow_rewind=policy.allow_rewind)
    planned = plan_session(session, desired, live, policy, refresh=True)
    planned = saved.restrict_to_saved_plan(approved, planned, live) if approved else planned
    among = frozenset(action.key for action in planned.decisions) if approved else None
    job = ApplyRequest(desired, policy, "", only, among, parallelism)
    planned = replace(planned, actions=tuple(action for action in planned.actions if job.is_allowed(action)))
    body = plan_json.plan_body(planned, policy)
    job = replace(job, trailers=commit_trailers(session, approved.digest if approved else saved.plan_body_digest(body)))
    planned = replace(planned, notes=(*planned.notes, *noted, *deferred_notes(planned, session.config, host_name())))
    if told:
        told.write_plan(planned, body)
    else:
        Terminal().print_text(session.plan_heading + text.format_plan(planned))
    running = [blocked.run for blocked in planned.blocked if blocked.run and not blocked.failed]
    if not planned.actions and not (wait and running):
        lift_rollback_hold(session.state_store, live, session.source, job.trailers, allow_rewind=policy.allow_rewind)
        for lock in release_stale_locks(session.state_store, session.config.lease):
            (told.on_note if told else click.echo)(f"Ended the claims of {lock}: that apply is no more.")
        return int(wait and _has_failed_assets(planned.blocked))
    if planned.decisions and not auto_approve:
        require_approval("Apply this?", "apply", possible=told is None)
    if told is None:
        click.echo()
    return execute_and_report(session, job, planned, wait=wait, told=told)


def execute_and_report(
    session: Session, job: ApplyRequest, planned: Plan, *, wait: bool, told: EventStream | None = None
) -> int:
    """Do an approved plan and show how it goes; return the exit code."""
    world, ending = world_of(session), GracefulShutdown()
    try:
        with (
            ending.handle_signals(),
            told or TerminalApplyListener(Terminal(), lambda run: _last_log_line(world, run)) as watch,
        ):
            result = make(session, world, job, planned, watch, wait=wait, stopping=ending)
    except KeyboardInterrupt as stopped:
        raise _interrupt_error(session) from stopped
    if ending():
        raise _interrupt_error(session)
    ended = _report_result(result, told)
    with suppress(KeyboardInterrupt):  # all that was asked for is done and said
        share_index(session)
    return ended or int(wait and _has_failed_assets(result.pending))


def _has_failed_assets(pending: Sequence[Blocked]) -> bool:
    """Tell whether something that is declared has failed, in an earlier apply too: who waits for all of it is told."""
    return any(blocked.failed for blocked in pending)


def _interrupt_error(session: Session) -> click.Abort:
    """Say what an interrupt has left: the record of what was done, and the runs, which go on."""
    runs = [
        run
        for run in unfinished_runs(session.read_refreshed_state())
        if run.status in (RunStatus.QUEUED, RunStatus.RUNNING)
    ]
    going_on = [f"run {run.id} goes on; stop it with `mlgit job cancel {run.address.name}`" for run in runs]
    recorded = "interrupted; what was done is recorded. `mlgit apply` goes on from there."
    return click.Abort("\n".join(["", recorded, *going_on]))


def refuse_dirty_work_tree(session: Session, *, allow_dirty: bool) -> None:
    """Refuse a work tree that differs from HEAD: what is applied must be in Git's history."""
    if not session.source.commit:
        message = "there is no commit yet, and what is applied must be in Git"
        raise user_error("no-commit", message, "run `git add -A && git commit` first")
    if session.source.dirty and not allow_dirty:
        differing = join_some(session.uncommitted_files())
        message = f"the work tree differs from HEAD in {differing}, and what is applied must be in Git"
        hint = "commit first, have .gitignore leave out what is no part of it, or take all as it is with --allow-dirty"
        raise user_error("work-tree-dirty", message, hint)


def _last_log_line(world: Providers, run: Run) -> str:
    """Return the last line that a run has written."""
    log: Path = world.backend(run.backend).log_path(run.id)
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _format_applied_counts(result: ApplyResult) -> str:
    """Say what was done, as a plan counts it, and beside that how many runs were recorded."""
    recorded = len(result.recorded_run_ids)
    changes = f"Applied {text.pluralize(result.done_count - recorded, 'change')}"
    if not recorded:
        return changes
    runs = text.pluralize(recorded, "run")
    return f"{changes} and recorded {runs}" if result.done_count > recorded else f"Recorded {runs}"


def _report_result(result: ApplyResult, told: EventStream | None) -> int:
    skipped = sum(event.progress is Progress.SKIPPED for event in result.failed)
    failed = len(result.failed) - skipped + len(result.failed_runs)
    if told:
        told.write_apply_ended(done=result.done_count, failed=failed, skipped=skipped, locked=len(result.locked_out))
        return int(bool(failed or result.locked_out))
    counts = ((failed, "failed"), (skipped, "skipped"), (len(result.locked_out), "left to another apply"))
    said = "".join(f", {number} {what}" for number, what in counts if number)
    click.echo(f"\n{_format_applied_counts(result)}{said}.")
    for each in result.pending:
        click.echo(sanitize_line(f"  {each.address}: {each.message}"))
    if result.failed:
        click.echo("\nMend what failed, then run `mlgit apply` again: it goes on from here.")
    elif not failed and any(blocked.run for blocked in result.pending):
        click.echo("\n`mlgit apply --wait` waits for what is running and registers what it makes.")
    return int(bool(failed or result.locked_out))
