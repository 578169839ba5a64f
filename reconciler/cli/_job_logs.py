"""mlgit job logs: print the log of a run, of a step or of a trial."""

from __future__ import annotations

import click

from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli._job_run import find_named_run, wait_for_step
from reconciler.cli._run_files import print_log
from reconciler.cli.console import echo_line
from reconciler.cli.options import target_option
from reconciler.engine.driver.resume import resume_run


@click.command("logs")
@click.argument("job")
@click.option("--follow", "-f", is_flag=True, help="Keep printing until the run has ended.")
@target_option
def command(job: str, *, follow: bool) -> int:
    """Print the log of a run as it is, control characters and all that the job wrote included.

    Of a pipeline or a sweep it is what happened to its steps, a line for each event; RUN/STEP is the log of a step.

    \b
    mlgit job logs train --follow
    mlgit job logs train/evaluate
    mlgit job logs tune-1a2b3c4d/sweep.7 --follow
    """
    named = find_named_run(job)
    try:
        if follow:
            named = wait_for_step(named, lambda step: step.handle is not None or step.has_ended)
            resume_run(named.session.open_backends(), named.run)
        run, backend = named.run, named.open_backend()
        if named.step and named.step.reused_from:
            echo_line(f"{run.id} was reused from {named.step.reused_from}, whose log this is:", err=True)
        size = print_log(run, backend, follow=follow)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # the user has seen enough of the log
    if size == 0:
        reason = f": {run.message}" if run.message else ""
        echo_line(f"run {run.id} is {run.status.label} and has written nothing{reason}", err=True)
    return 0
