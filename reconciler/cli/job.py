"""mlgit job: list and inspect runs, follow their logs, cancel them, wait for them."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from dataclasses import replace

import click

from reconciler.abbreviation import pluralize
from reconciler.backends import Backend, get_backend
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli._job_argument import JOB_KIND, find_live_job
from reconciler.cli._job_show import run_details_to_json
from reconciler.cli._run_files import print_log, read_metrics, summarize_metrics
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import user_error
from reconciler.model import Run, RunStatus
from reconciler.planning.refresh import merge_report
from reconciler.project.run_list import list_all_runs
from reconciler.project.state_session import StateSession
from reconciler.render import plan_json, text
from reconciler.state.codec import RunSummary, decode_run, summarize_run
from reconciler.state.process import host_name
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp

_POLL_SECONDS = 0.2


class _JobGroup(click.Group):
    """The group of commands on runs; ``rerun`` is loaded by name, because it loads all of `apply`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "rerun"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "rerun":
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module("reconciler.cli._job_rerun").command
        return command


@click.group("job", cls=_JobGroup)
def command() -> None:
    """List and manage runs.

    JOB is the name of a job, the last part of it if no other job has that, the path of its file, or the name of one of
    its runs; except by a run, it stands for the newest run of the job.

    \b
    mlgit job logs train --follow
    """


@command.command("list")
@click.argument("job", required=False)
@format_option
@target_option
def list_runs(job: str | None, form: str) -> None:
    """List runs, of one job or of all, oldest first.

    \b
    mlgit job list train
    """
    session = open_current_state_session()
    if form == "text" and job is None:
        return _print_runs(list_all_runs(session))
    state = session.read_refreshed_state()
    jobs = (address for address in state.current if address.kind == JOB_KIND)
    addresses = [find_live_job(session, state, job)[0]] if job else jobs
    recorded = session.state_store.runs_by_job([state.current[address] for address in addresses], decode_run)
    runs = [
        state.find_run(address, run.id) or run if run.is_unfinished else run
        for address, runs_of_job in recorded.items()
        for run in runs_of_job
    ]
    if form == "json":
        return echo(plan_json.dump_json([plan_json.run_to_json(run) for run in runs]))
    return _print_runs(map(summarize_run, runs))


def _print_runs(summaries: Iterable[RunSummary]) -> None:
    rows = [(run.id, run.status, str(run.attempt), run.submitted_at, run.message) for run in summaries]
    if not rows:
        return echo("There are no runs yet.")
    return print_table(("RUN", "STATUS", "ATTEMPT", "SUBMITTED", "MESSAGE"), rows)


@command.command("show")
@click.argument("job")
@format_option
@target_option
def show(job: str, form: str) -> None:
    """Show a run: its status, inputs, metrics and outputs, and where its log and outputs are.

    \b
    mlgit job show train --format json
    """
    session, run = _find_run(job)
    fields = run_details_to_json(session, run)
    echo(plan_json.dump_json(fields) if form == "json" else text.format_outline(fields))


@command.command("logs")
@click.argument("job")
@click.option("--follow", "-f", is_flag=True, help="Keep printing until the run has ended.")
@target_option
def logs(job: str, *, follow: bool) -> int:
    """Print the log of a run as it is, control characters and all that the job wrote included.

    \b
    mlgit job logs train --follow
    """
    _, run, backend = _find_run_and_backend(job)
    try:
        size = print_log(run, backend, follow=follow)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # the user has seen enough of the log
    if size == 0:
        echo_line(f"run {run.id} is {run.status} and has written nothing", err=True)
    return 0


@command.command("metrics")
@click.argument("job")
@format_option
@target_option
def metrics(job: str, form: str) -> None:
    """Show the metrics that a run has logged: the last value of each, by step and time, and how many values.

    \b
    mlgit job metrics train
    """
    _, run, backend = _find_run_and_backend(job)
    logged, skipped = read_metrics(run, backend)
    if skipped:
        lines = pluralize(skipped, "unreadable line")
        echo_line(f"skipped {lines} of {backend.metrics_path(run.id).name}", err=True)
    if form == "json":
        echo(plan_json.dump_json(logged))
    elif not logged:
        echo_line(f"run {run.id} has logged no metrics")
    else:
        print_table(("METRIC", "LAST", "STEP", "VALUES"), summarize_metrics(logged))


@command.command("cancel")
@click.argument("job")
@target_option
def cancel(job: str) -> None:
    """Stop a run and all that it started. A canceled run stays so until `job rerun`.

    \b
    mlgit job cancel train
    """
    session, run, backend = _find_run_and_backend(job)
    if not run.status.is_active:
        if not backend.cancel(run.id):
            raise user_error("run-ended", f"run {run.id} is {run.status}: there is nothing to cancel")
        echo(f"Run {run.id} is {run.status}; processes that it had left were stopped.")
        return
    backend.cancel(run.id)
    ended = merge_report(run, backend.poll([run.id])[run.id])
    # lost: it had not started, or could not end by itself
    if ended.status not in (RunStatus.CANCELED, RunStatus.LOST):
        echo_line(f"Run {run.id} {ended.status} before it could be canceled; `mlgit apply` records it.")
        return
    canceled = replace(
        ended, status=RunStatus.CANCELED, failure="user", message="", ended_at=ended.ended_at or utc_timestamp()
    )
    session.state_store.write(WriteBatch(runs=(canceled,)), f"job cancel: {run.id}")
    echo_line(f"Canceled run {run.id}. `mlgit job rerun {run.address.name}` runs it again.")


@command.command("wait")
@click.argument("job")
@target_option
def wait(job: str) -> int:
    """Wait until a run has ended; exit with 0 if it completed. `mlgit apply` then records it.

    \b
    mlgit job wait train && mlgit apply
    """
    _, run, backend = _find_run_and_backend(job)
    status = run.status
    if status.is_active:
        echo_line(f"waiting for run {run.id}, which is {status}", err=True)
    while status.is_active:
        time.sleep(_POLL_SECONDS)
        status = backend.poll([run.id])[run.id].status
    echo_line(f"run {run.id} is {status}")
    return int(status is not RunStatus.COMPLETED)


def _find_run_and_backend(job: str) -> tuple[StateSession, Run, Backend]:
    """Return a run as `_find_run` does, with its backend."""
    session, run = _find_run(job)
    host = session.config.backend_host(run.backend)
    if host not in ("", host_name()):
        message = f"run {run.id} is on the backend {run.backend}, which is on {host} only"
        raise user_error("backend-elsewhere", message, f"run this command on {host}")
    return session, run, get_backend(session.open_backends(), run.backend)


def _find_run(job: str) -> tuple[StateSession, Run]:
    """Return the run that an argument names, or the newest run of the job that it names."""
    session = open_current_state_session()
    state = session.read_refreshed_state()
    address, run = find_live_job(session, state, job)
    latest = state.current[address].latest
    run = run or (state.find_run(address, latest) if latest else None)
    if run is None:
        raise user_error("run-unknown", f"{address} has no run yet", f"start one with `mlgit job rerun {address.name}`")
    return session, run
