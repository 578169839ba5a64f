"""mlgit job cancel: stop a run."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli._job_run import find_named_run
from reconciler.cli._run_files import again_command
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import target_option
from reconciler.diagnostics import user_error
from reconciler.engine.run_conditions import cancel_and_wait
from reconciler.model import RunStatus
from reconciler.project.steps import report_steps
from reconciler.render.step_states import summarize_steps
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp


@click.command("cancel")
@click.argument("job")
@target_option
def command(job: str) -> None:
    """Stop a run and all that it started. A canceled run stays so until `job rerun`.

    Of a pipeline or a sweep, all steps and trials end; those that have completed are reused by the next run.

    \b
    mlgit job cancel train
    """
    named = find_named_run(job)
    session, run = named.session, named.run
    if named.parent is not None:
        message = f"{run.id} is a step of run {named.parent.id}: a step cannot be canceled by itself"
        raise user_error(
            "step-alone", message, f"`mlgit job cancel {named.parent.id}` cancels the run with all its steps"
        )
    backend = named.open_backend()
    if not run.status.is_active:
        if run.handle is None or not backend.cancel(run.handle):
            raise user_error("run-ended", f"run {run.id} is {run.status}: there is nothing to cancel")
        echo(f"Run {run.id} is {run.status}; processes that it had left were stopped.")
        return
    ended = cancel_and_wait(backend, run)
    # lost: it had not started, or could not end by itself
    if ended.status not in (RunStatus.CANCELED, RunStatus.LOST):
        echo_line(f"Run {run.id} {ended.status} before it could be canceled; `mlgit apply` records it.")
        return
    canceled = replace(
        ended, status=RunStatus.CANCELED, failure="user", message="", ended_at=ended.ended_at or utc_timestamp()
    )
    steps = report_steps({run.backend: backend}, canceled)
    batch = WriteBatch(runs=(canceled,), steps={run.id: steps} if steps else {})
    session.state_store.write(batch, f"job cancel: {run.id}")
    ended_steps = f" ({summarize_steps(steps)})" if steps else ""
    echo_line(f"Canceled run {run.id}{ended_steps}. {again_command(run)} runs it again.")
