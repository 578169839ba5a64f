"""mlgit job rerun: run a job again though nothing changed, or though it failed."""

from __future__ import annotations

from typing import cast

import click

from reconciler.cli._job_argument import find_declared_job
from reconciler.cli._overrides import file_of_overrides, override_job
from reconciler.cli.apply import run_prepared
from reconciler.cli.options import SetCommand, set_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import UserError, user_error
from reconciler.format.assets import kind_of
from reconciler.model import DRIVER, Address, RunStatus, State
from reconciler.planning.options import PlanOptions
from reconciler.project.check import load_desired
from reconciler.project.prepare import ApplyOptions, PreparedApply, prepare_apply, refuse_dirty_work_tree
from reconciler.project.session import Session


@click.command("rerun", cls=SetCommand)
@click.argument("job")
@click.option("--wait", "waits", is_flag=True, help="Wait for the run to end, and register its outputs.")
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@set_option
@target_option
def command(job: str, *, waits: bool, auto_approve: bool, overrides: tuple[str, ...]) -> int:
    """Run a job again though nothing changed, or though it failed.

    What it needs is registered and built first, and run if it never was; nothing else is applied. With --wait, the exit
    code is 0 if the run completed. With --set the run is an experiment, as those of `mlgit run`: it never is current.

    \b
    mlgit job rerun train --wait
    mlgit job rerun jobs/train.yml --set inputs.lr=0.3
    """
    session = open_current_session()
    refuse_dirty_work_tree(session, allow_dirty=False)
    state = session.read_refreshed_state()
    if overrides:
        return _run_with_values(session, state, job, overrides, waits=waits)
    address = _find_job(session, state, job)
    _refuse_recorded_only_job(session, address)
    _refuse_running_job(session, state, address)
    plan_options = PlanOptions(session.config, frozenset({address}), only_address=address)
    prepared = prepare_apply(session, ApplyOptions(plan_options))
    _refuse_blocked_job(prepared, address, wait=waits)
    code = run_prepared(session, prepared, auto_approve=auto_approve, wait=waits)
    return code or int(waits and not _has_completed(session, address))


def _run_with_values(session: Session, state: State, job: str, overrides: tuple[str, ...], *, waits: bool) -> int:
    """Run a job with other values than those of its file, as an experiment (`mlgit run`); return the exit code."""
    file = file_of_overrides(override_job(session, state, job, overrides))
    context = click.get_current_context()
    group = cast(click.Group, context.find_root().command)
    run = group.get_command(context, "run")
    return int(context.invoke(cast(click.Command, run), file=file, overrides=overrides, again=True, streams=waits))


def _find_job(session: Session, state: State, job: str) -> Address:
    """Return the declared job that is named; if there is none, report the errors of the files first."""
    try:
        return find_declared_job(session, state, session.read_assets(), job)
    except UserError:
        load_desired(session, state, PlanOptions(session.config))
        raise


def _refuse_recorded_only_job(session: Session, address: Address) -> None:
    """Raise UserError ``rerun-blocked`` for a job of a type that nothing can run, at the line that says the type."""
    declared = session.read_assets()
    asset = declared.readable_assets.get(address)
    reason = kind_of(asset).recorded_only_reason(asset.spec) if asset else ""
    if asset and reason:
        span = declared.value_span(asset, "/type")
        message = f"{address} cannot be run: it is recorded only, because {reason}"
        raise user_error("rerun-blocked", message, "docs/support.md lists what can be run", span)


def _refuse_running_job(session: Session, state: State, address: Address) -> None:
    """Raise UserError ``run-active`` if the job is running: that run would be superseded though nothing changed."""
    record = state.current.get(address)
    run = state.find_run(address, record.latest) if record and record.latest else None
    backends = (*session.config.backends, DRIVER)
    if run and run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and run.backend in backends:
        hint = f"cancel it first with `mlgit job cancel {address.name}`, or wait for it to end"
        raise user_error("run-active", f"run {run.id} is still running", hint)


def _has_completed(session: Session, address: Address) -> bool:
    """Return True if the newest run of the job completed."""
    state = session.fetch_and_read_state()
    record = state.current.get(address)
    run = state.find_run(address, record.latest) if record and record.latest else None
    return run is not None and run.status is RunStatus.COMPLETED


def _refuse_blocked_job(prepared: PreparedApply, address: Address, *, wait: bool) -> None:
    """Raise UserError ``rerun-blocked`` with the reason if the plan does not run the job, now or while waiting."""
    plan = prepared.plan
    if any(action.address == address for action in plan.submissions):
        return
    blocked = next(item for item in plan.blocked if item.address == address)
    if wait and prepared.has_running_runs:
        return
    causes = [f"{item.address}: {item.message}" for item in plan.blocked if item.address != address]
    remedies = ["use --wait to wait for it"] if prepared.has_running_runs else []
    raise user_error("rerun-blocked", f"{address} cannot be run: {blocked.message}", "; ".join((*causes, *remedies)))
