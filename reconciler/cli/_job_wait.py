"""mlgit job wait: wait until a run has ended."""

from __future__ import annotations

import time

import click

from reconciler.cli._job_run import find_run_and_backend
from reconciler.cli.console import echo_line
from reconciler.cli.options import target_option
from reconciler.engine.run_conditions import poll_run
from reconciler.model import RunStatus
from reconciler.planning.refresh import run_status_of
from reconciler.project.record_experiment import record_ended_experiment

_POLL_SECONDS = 0.2


@click.command("wait")
@click.argument("job")
@target_option
def command(job: str) -> int:
    """Wait until a run has ended; exit with 0 if it completed. `mlgit apply` then records it.

    The end of a run of `mlgit run` is recorded at once.

    \b
    mlgit job wait train && mlgit apply
    """
    session, run, backend = find_run_and_backend(job)
    status = run.status
    if status.is_active:
        echo_line(f"waiting for run {run.id}, which is {status}", err=True)
    while status.is_active:
        time.sleep(_POLL_SECONDS)
        status = run_status_of(poll_run(backend, run)) or status
    if run.experiment:
        record_ended_experiment(session, run)
    echo_line(f"run {run.id} is {status}")
    return int(status is not RunStatus.COMPLETED)
