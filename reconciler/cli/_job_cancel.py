"""mlgit job cancel: stop a run."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli._job_run import find_run_and_backend
from reconciler.cli._run_files import again_command
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import target_option
from reconciler.diagnostics import user_error
from reconciler.engine.run_conditions import cancel_and_wait
from reconciler.model import RunStatus
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp


@click.command("cancel")
@click.argument("job")
@target_option
def command(job: str) -> None:
    """Stop a run and all that it started. A canceled run stays so until `job rerun`.

    \b
    mlgit job cancel train
    """
    session, run, backend = find_run_and_backend(job)
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
    session.state_store.write(WriteBatch(runs=(canceled,)), f"job cancel: {run.id}")
    echo_line(f"Canceled run {run.id}. {again_command(run)} runs it again.")
