"""mlgit apply: plan, ask for approval, apply, and report the result."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli import EXIT_BUG
from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.confirm import require_approval
from reconciler.cli.console import echo, echo_line, print_coloured_lines
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import (
    destroy_option,
    format_option,
    guard_options,
    replace_option,
    select_options,
    target_option,
)
from reconciler.cli.session import open_current_session
from reconciler.cli.step_display import StepReader
from reconciler.cli.terminal import TerminalApplyListener
from reconciler.diagnostics import has_errors, user_error
from reconciler.engine.request import (
    DEFAULT_PARALLELISM,
    NO_FOLLOWER,
    ApplyFollower,
    ApplyResult,
    FollowedListener,
)
from reconciler.engine.signals import GracefulShutdown
from reconciler.model import DRIVER, Blocked, Progress, Run, RunStatus
from reconciler.planning.refresh import unfinished_runs
from reconciler.planning.saved import options_of_saved_plan
from reconciler.project.apply import apply_plan, finish_without_actions
from reconciler.project.destroy import session_without_edits
from reconciler.project.forecasts import forecast_actions
from reconciler.project.incremental import share_index
from reconciler.project.prepare import ApplyOptions, PreparedApply, prepare_apply, raise_if_policies_fail
from reconciler.project.refresh import open_backends
from reconciler.project.saved_plan import check_plan_state, find_plan_commit, plan_target, read_saved_plan
from reconciler.project.session import Session
from reconciler.project.submission_checks import report_refused_submissions
from reconciler.render import text
from reconciler.state.process import host_name


@click.command("apply")
@click.argument("plan", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--auto-approve", is_flag=True, help="Skip the approval prompt.")
@click.option("--wait", is_flag=True, help="Wait until all runs have ended, and register their outputs.")
@click.option("--allow-dirty", is_flag=True, help="Apply uncommitted changes too; they are recorded.")
@click.option("--allow-rewind", is_flag=True, help="Apply a commit that is not a descendant of the one applied last.")
@click.option(
    "--parallelism",
    type=click.IntRange(min=1),
    default=DEFAULT_PARALLELISM,
    show_default=True,
    metavar="N",
    help="Number of builds and submissions that run concurrently.",
)
@destroy_option
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
    destroy: bool,
    selected: tuple[str, ...],
    excluded: tuple[str, ...],
    replaced: tuple[str, ...],
    allow_submit: int | None,
    allow_mass_delete: bool,
    form: str,
) -> int:
    """Make the live state what Git declares: register assets, build environments, submit jobs.

    Without PLAN, applies the commit that is checked out. With PLAN, a file written by `mlgit plan -o`, applies exactly
    that plan; `mlgit plan --ref REV -o FILE` plans another commit.

    \b
    mlgit apply
    mlgit apply --auto-approve --wait
    mlgit plan -o plan.json && mlgit apply plan.json
    mlgit apply --destroy --target staging
    """
    plan_options = (
        allow_dirty,
        allow_rewind,
        selected,
        excluded,
        replaced,
        allow_submit is not None,
        allow_mass_delete,
        destroy,
    )
    if plan is not None and any(plan_options):
        raise click.UsageError("a saved plan has its own options: pass them to `mlgit plan -o`")

    def work(stream: EventStream | None) -> int:
        if plan is not None:
            session, options = _open_saved_plan(plan, parallelism)
        else:
            session = open_current_session(keep=allow_dirty)
            session = session_without_edits(session) if destroy else session
            plan_options = read_plan_options(
                session.config,
                replaced=replaced,
                selected=selected,
                excluded=excluded,
                allow_submit=allow_submit,
                allow_mass_delete=allow_mass_delete,
                allow_rewind=allow_rewind,
                destroy=destroy,
            )
            options = ApplyOptions(plan_options, allow_dirty=allow_dirty, parallelism=parallelism)
        return run_apply(session, options, auto_approve=auto_approve or plan is not None, wait=wait, stream=stream)

    return run_with_event_stream(work) if form == "json" else work(None)


def _open_saved_plan(path: Path, parallelism: int) -> tuple[Session, ApplyOptions]:
    """Open the workspace at the commit that a saved plan was made from."""
    saved_plan = read_saved_plan(path)
    commit = find_plan_commit(Path.cwd(), saved_plan, path)
    session = open_current_session(commit, target=plan_target(saved_plan))
    check_plan_state(saved_plan, session.config)
    plan_options = options_of_saved_plan(saved_plan, session.config)
    return session, ApplyOptions(plan_options, saved_plan=saved_plan, parallelism=parallelism)


def run_apply(
    session: Session, options: ApplyOptions, *, auto_approve: bool, wait: bool, stream: EventStream | None = None
) -> int:
    """Plan, ask for approval and apply; return the exit code. With ``stream``, write events instead of text."""
    if stream:
        stream.write_plan_started(session.source)
    return run_prepared(session, prepare_apply(session, options), auto_approve=auto_approve, wait=wait, stream=stream)


def run_prepared(  # noqa: PLR0913 - what is applied, how, and who follows it
    session: Session,
    prepared: PreparedApply,
    *,
    auto_approve: bool,
    wait: bool,
    stream: EventStream | None = None,
    follower: ApplyFollower = NO_FOLLOWER,
) -> int:
    """Show a plan, ask for approval and apply it; return the exit code."""
    print_prepared(session, prepared, stream)
    raise_if_policies_fail(prepared)
    if not prepared.plan.actions and not (wait and prepared.has_running_runs):
        for lock in finish_without_actions(session, prepared):
            (stream.on_note if stream else echo_line)(f"Released the locks of {lock}: that apply has ended.")
        return int(has_errors(prepared.plan.refusals) or (wait and _has_failed(prepared.plan.blocked)))
    if prepared.is_elsewhere and not (wait and prepared.has_running_runs):
        message = f"nothing was applied: {host_name()} can do nothing of this plan"
        raise user_error("all-elsewhere", message, "the notes of the plan name the machines that can: apply it there")
    if prepared.plan.decisions and not auto_approve:
        _require_approval(prepared, possible=stream is None)
    return execute_and_report(session, prepared, wait=wait, stream=stream, follower=follower)


def print_prepared(session: Session, prepared: PreparedApply, stream: EventStream | None, warning: str = "") -> None:
    """Print the plan that is about to be applied, and a warning below it."""
    plan = prepared.annotated_plan
    forecasts = forecast_actions(session, prepared.state, plan.actions)
    report_refused_submissions(session, prepared.state, plan)
    if stream:
        stream.write_plan(plan, prepared.body, forecasts)
    else:
        below = f"\n\n{warning}" if warning else ""
        print_coloured_lines(session.plan_heading + text.format_plan(plan, forecasts) + below)


def execute_and_report(
    session: Session,
    prepared: PreparedApply,
    *,
    wait: bool,
    stream: EventStream | None = None,
    follower: ApplyFollower = NO_FOLLOWER,
) -> int:
    """Apply an approved plan, show its progress and print the result; return the exit code."""
    if stream is None:
        echo()
    shutdown, reader = GracefulShutdown(), StepReader(open_backends(session))
    if stream is not None:
        stream.read_steps = reader.read_steps
    listener = stream or TerminalApplyListener(reader)
    try:
        with shutdown.handle_signals(), listener:
            followed = FollowedListener(listener, follower.on_event)
            result = apply_plan(session, prepared, followed, wait=wait, stopping=shutdown)
            follower.on_result(result)
    except KeyboardInterrupt as interrupt:
        raise _interrupt_error(session, prepared) from interrupt
    if shutdown():
        raise _interrupt_error(session, prepared)
    exit_code = _report_result(session, prepared, result, stream)
    if not prepared.plan.is_destroy:
        with suppress(KeyboardInterrupt):  # the apply is complete and reported
            share_index(session)
    refusals = (item for blocked in result.pending if blocked.is_refused for item in blocked.refusals)
    return exit_code or int(has_errors(refusals) or (wait and _has_failed(result.pending)))


def _require_approval(prepared: PreparedApply, *, possible: bool) -> None:
    plan, option = prepared.plan, prepared.request.plan_options.destroy_option
    removed = pluralize(len(plan.removals), "asset")
    question = f"Do you really want to destroy {removed}?" if plan.is_destroy else "Apply this plan?"
    require_approval(question, f"apply{option}", possible=possible)


def _has_failed(pending: Iterable[Blocked]) -> bool:
    """Return True if a declared asset has failed, even in an earlier apply."""
    return any(blocked.failed for blocked in pending)


def _format_resume_command(session: Session, prepared: PreparedApply) -> str:
    """Return the command that does what remains; without its options, a destroy would be undone or go too far."""
    plan_options = prepared.request.plan_options
    narrowed = " and the same options" if plan_options.destroy and (plan_options.select or plan_options.exclude) else ""
    return f"`mlgit apply{session.target_option}{plan_options.destroy_option}`{narrowed}"


def _interrupt_error(session: Session, prepared: PreparedApply) -> click.Abort:
    """Return the message of an interrupt: what was done is recorded, and which runs continue."""
    continuing = [
        f"run {run.id} continues; {_follow_clause(run)}cancel it with `mlgit job cancel {run.address.name}`"
        for run in unfinished_runs(session.read_refreshed_state())
        if run.status in (RunStatus.QUEUED, RunStatus.RUNNING)
    ]
    command = _format_resume_command(session, prepared)
    recorded = f"interrupted; completed actions are recorded. Run {command} again to resume."
    return click.Abort("\n".join(["", recorded, *continuing]))


def _follow_clause(run: Run) -> str:
    """Return how the steps of a pipeline or a sweep are followed."""
    return f"follow it with `mlgit job wait {run.address.name}`, " if run.backend == DRIVER else ""


def _format_applied_counts(result: ApplyResult) -> str:
    """Return how many changes were applied and how many runs were recorded."""
    recorded = len(result.recorded_run_ids)
    changes = f"Applied {pluralize(result.done_count - recorded, 'change')}"
    if not recorded:
        return changes
    runs = pluralize(recorded, "run")
    return f"{changes} and recorded {runs}" if result.done_count > recorded else f"Recorded {runs}"


def _report_result(session: Session, prepared: PreparedApply, result: ApplyResult, stream: EventStream | None) -> int:
    """Print the result of an apply; return the exit code."""
    skipped = sum(event.progress is Progress.SKIPPED for event in result.failed)
    failed = len(result.failed) - skipped + len(result.failed_runs)
    locked = len(result.locked_out)
    if stream:
        stream.write_apply_ended(done=result.done_count, failed=failed, skipped=skipped, locked=locked)
    else:
        _print_result(result, failed=failed, skipped=skipped)
        only = prepared.request.plan_options.only_address
        rerun = f"`mlgit job rerun{session.target_option} {only.name}`" if only else ""
        _print_next_step(result, rerun or _format_resume_command(session, prepared), failed=failed)
    return EXIT_BUG if result.has_bug else int(bool(failed or locked))


def _print_result(result: ApplyResult, *, failed: int, skipped: int) -> None:
    counts = ((failed, "failed"), (skipped, "skipped"), (len(result.locked_out), "locked by another apply"))
    others = "".join(f", {number} {outcome}" for number, outcome in counts if number)
    echo(f"\n{_format_applied_counts(result)}{others}.")
    for blocked in result.pending:
        if not (blocked.manual or blocked.recorded_only):  # the plan has them
            echo_line(f"  {blocked.address}: {blocked.message}")


def _print_next_step(result: ApplyResult, command: str, *, failed: int) -> None:
    if result.failed:
        echo_line("")
        echo_line(f"Fix the errors above and run {command} again to resume.")
    elif not failed and any(blocked.run for blocked in result.pending):
        echo("\nAny later apply registers the outputs of running jobs; `mlgit apply --wait` waits for them.")
