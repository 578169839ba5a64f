"""mlgit job rerun: run a job again though nothing changed, or though it failed."""

from __future__ import annotations

import click

from reconciler.cli.apply import run_apply
from reconciler.cli.job import parse_job_address
from reconciler.cli.options import target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.model import Address, RunStatus
from reconciler.planning.policy import Policy
from reconciler.project.check import validate_offline
from reconciler.project.prepare import ApplyOptions, refuse_dirty_work_tree
from reconciler.project.session import Session


@click.command("rerun")
@click.argument("job")
@click.option("--wait", "waits", is_flag=True, help="Wait for the run to end, and register its outputs.")
@click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
@target_option
def command(job: str, *, waits: bool, auto_approve: bool) -> int:
    """Run a job again though nothing changed, or though it failed; nothing else is applied.

    \b
    mlgit job rerun train --wait
    """
    session = open_current_session()
    refuse_dirty_work_tree(session, allow_dirty=False)
    address = parse_job_address(validate_offline(session)[0].assets, job)  # it may never have been run
    _refuse_running_job(session, address)
    policy = Policy(session.config, frozenset({address}))
    return run_apply(session, ApplyOptions(policy, only_address=address), auto_approve=auto_approve, wait=waits)


def _refuse_running_job(session: Session, address: Address) -> None:
    """Raise UserError ``run-active`` if the job is running: that run would be superseded though nothing changed."""
    state = session.read_refreshed_state()
    record = state.current.get(address)
    run = state.find_run(address, record.latest) if record and record.latest else None
    if run and run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and run.backend in session.config.backends:
        hint = f"cancel it first with `mlgit job cancel {address.name}`, or wait for it to end"
        raise user_error("run-active", f"run {run.id} is still running", hint)
