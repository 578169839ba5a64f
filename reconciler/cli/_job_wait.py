"""mlgit job wait: wait until a run has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from reconciler.backends import get_backend
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli._job_run import find_named_run, wait_for_step
from reconciler.cli.console import echo_line
from reconciler.cli.options import target_option
from reconciler.cli.step_display import StepReader, follow_steps
from reconciler.cli.terminal import make_console
from reconciler.engine.driver.resume import resume_run
from reconciler.engine.run_conditions import poll_run
from reconciler.model import DRIVER, Run, RunStatus
from reconciler.model.backend import Backend
from reconciler.planning.refresh import merge_condition, run_status_of
from reconciler.project.record_experiment import record_ended_experiment

_POLL_SECONDS = 0.2


@click.command("wait")
@click.argument("job")
@target_option
def command(job: str) -> int:
    """Wait until a run has ended; exit with 0 if it completed. `mlgit apply` then records it.

    The end of a run of `mlgit run` is recorded at once. The steps of a pipeline or a sweep are shown meanwhile; a step,
    RUN/STEP, can be waited for, too.

    \b
    mlgit job wait train && mlgit apply
    """
    named = find_named_run(job)
    session, run = named.session, named.run
    status = run.status
    if status.is_active:
        echo_line(f"waiting for run {run.id}, which is {status}", err=True)
    if named.parent:
        status = wait_for_step(named, lambda step: step.has_ended).run.status
    elif run.backend == DRIVER:
        try:
            reader = StepReader(session.open_backends())
            status = follow_steps(run, reader, lambda: _reported_run(reader.backends, run), make_console()).status
        except KeyboardInterrupt:
            echo_line("")
            follow = f"`mlgit job wait {run.id}` follows it, `mlgit job cancel {run.id}` stops it with its steps"
            echo_line(f"Run {run.id} goes on: {follow}.", err=True)
            return EXIT_INTERRUPTED
    else:
        backend = named.open_backend()
        while status.is_active:
            time.sleep(_POLL_SECONDS)
            status = run_status_of(poll_run(backend, run)) or status
    if run.experiment:
        record_ended_experiment(session, run)
    echo_line(f"run {run.id} is {status.label}")
    return int(status is not RunStatus.COMPLETED)


def _reported_run(backends: Mapping[str, Backend], run: Run) -> Run:
    """Return a pipeline or a sweep as it is; one that has no driver gets one."""
    resume_run(backends, run)
    return merge_condition(run, poll_run(get_backend(backends, run.backend), run))
