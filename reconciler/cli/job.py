"""mlgit job: list and inspect runs, follow their logs, cancel them, wait for them."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.backends import Backend, get_backend
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.console import print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.model import Address, Json, Run, RunStatus, State
from reconciler.planning.affinity import backend_host
from reconciler.planning.refresh import merge_report
from reconciler.project.refresh import open_backends
from reconciler.project.session import Session
from reconciler.regular_files import open_regular_file, read_regular_file
from reconciler.render import plan_json, text
from reconciler.state.codec import RunSummary, decode_run, decode_run_summary, summarize_run
from reconciler.state.process import host_name
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp

_JOB_KIND = "job"
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
    """List and manage runs. JOB is the name of a job or of one of its runs.

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
    session = open_current_session()
    state = session.read_refreshed_state()
    jobs = [address for address in state.current if address.kind == _JOB_KIND]
    addresses = [parse_job_address(jobs, job)] if job else jobs
    records = [state.current[address] for address in addresses]
    if form == "json":
        runs = [
            state.find_run(address, run.id) or run if run.is_unfinished else run
            for address, recorded in session.state_store.runs_by_job(records, decode_run).items()
            for run in recorded
        ]
        return click.echo(plan_json.dump_json([plan_json.run_to_json(run) for run in runs]))
    summaries = [
        _refreshed_summary(state, address, summary)
        for address, recorded in session.state_store.runs_by_job(records, decode_run_summary).items()
        for summary in recorded
    ]
    if not summaries:
        return click.echo("There are no runs yet.")
    return print_table(("RUN", "STATUS", "ATTEMPT", "SUBMITTED", "MESSAGE"), map(_summary_row, summaries))


def _refreshed_summary(state: State, address: Address, summary: RunSummary) -> RunSummary:
    """Return what a list shows of a run as its backend has it, where that may differ from what is recorded."""
    if not summary.status.is_active and summary.id not in state.current[address].unfinished:
        return summary
    run = state.find_run(address, summary.id)
    return summarize_run(run) if run else summary


def _summary_row(summary: RunSummary) -> tuple[str, ...]:
    """Return a row of the table of runs; of a message the first line, the rest is for `job show`."""
    message = summary.message.partition("\n")[0].removesuffix("; its last lines:")
    return (summary.id, str(summary.status), str(summary.attempt), summary.submitted_at, message)


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
    fields = {**plan_json.run_to_json(run), **_resolved_inputs_to_json(run), **_log_and_output_paths(session, run)}
    click.echo(plan_json.dump_json(fields) if form == "json" else text.format_outline(fields))


@command.command("logs")
@click.argument("job")
@click.option("--follow", "-f", is_flag=True, help="Keep printing until the run has ended.")
@target_option
def logs(job: str, *, follow: bool) -> int:
    """Print the log of a run.

    \b
    mlgit job logs train --follow
    """
    _, run, backend = _find_run_and_backend(job)
    try:
        end = _follow_log(backend, run) if follow else _copy_log(backend.log_path(run.id), 0)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # the user has seen enough of the log
    if end == 0:
        click.echo(f"run {run.id} is {run.status} and has written nothing", err=True)
    return 0


def _follow_log(backend: Backend, run: Run) -> int:
    """Print the log of a run until the run has ended; return its size."""
    is_active, position = True, 0
    while is_active:
        is_active = backend.poll([run.id])[run.id].status.is_active
        position = _copy_log(backend.log_path(run.id), position)
        if is_active:
            time.sleep(_POLL_SECONDS)
    return position


@command.command("metrics")
@click.argument("job")
@format_option
@target_option
def metrics(job: str, form: str) -> None:
    """Show the metrics that a run has logged: the last value of each, and how many values.

    \b
    mlgit job metrics train
    """
    _, run, backend = _find_run_and_backend(job)
    path = backend.metrics_path(run.id)
    lines = read_regular_file(path, 50_000_000).decode("utf-8", "replace").splitlines() if path.exists() else []
    logged = [metric for line in lines if (metric := _parse_metric_line(line)) is not None]
    if len(logged) < len(lines):
        skipped = pluralize(len(lines) - len(logged), "unreadable line")
        click.echo(f"skipped {skipped} of {path.name}", err=True)
    own = [metric for metric in logged if "run" not in metric]
    if form == "json":
        click.echo(plan_json.dump_json(own))
    elif not own:
        click.echo(f"run {run.id} has logged no metrics")
    else:
        last = {metric["key"]: metric for metric in own}
        counts = {key: sum(metric["key"] == key for metric in own) for key in last}
        rows = [(key, str(metric["value"]), str(metric["step"]), str(counts[key])) for key, metric in last.items()]
        print_table(("METRIC", "LAST", "STEP", "VALUES"), rows)


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
        raise user_error("run-ended", f"run {run.id} is {run.status}: there is nothing to cancel")
    backend.cancel(run.id)
    ended = merge_report(run, backend.poll([run.id])[run.id])
    # lost: it had not started, or could not end by itself
    if ended.status not in (RunStatus.CANCELED, RunStatus.LOST):
        click.echo(f"Run {run.id} {ended.status} before it could be canceled; `mlgit apply` records it.")
        return
    canceled = replace(
        ended, status=RunStatus.CANCELED, failure="user", message="", ended_at=ended.ended_at or utc_timestamp()
    )
    session.state_store.write(WriteBatch(runs=(canceled,)), f"job cancel: {run.id}")
    click.echo(f"Canceled run {run.id}. `mlgit job rerun {run.address.name}` runs it again.")


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
        click.echo(f"waiting for run {run.id}, which is {status}", err=True)
    while status.is_active:
        time.sleep(_POLL_SECONDS)
        status = backend.poll([run.id])[run.id].status
    click.echo(f"run {run.id} is {status}")
    return int(status is not RunStatus.COMPLETED)


def _resolved_inputs_to_json(run: Run) -> Json:
    """Return the environment and inputs of a run: literal values as they are, everything else by its version."""
    inputs = {name: _resolved_input(run, name, value) for name, value in (run.spec.get("inputs") or {}).items()}
    environment = run.references.get("/environment")
    return ({"environment": str(environment)} if environment else {}) | ({"inputs": inputs} if inputs else {})


def _resolved_input(run: Run, name: str, value: Json) -> Json:
    if reference := run.references.get(f"/inputs/{name}/path"):
        return str(reference)
    return value.get("path", value.get("value")) if isinstance(value, Mapping) else value


def _log_and_output_paths(session: Session, run: Run) -> Json:
    """Return where the log and the outputs of a run are; nothing if its backend cannot be asked."""
    backend = open_backends(session).get(run.backend)
    return {"log": str(backend.log_path(run.id)), "output_folder": str(backend.outputs_path(run.id))} if backend else {}


def _find_run_and_backend(job: str) -> tuple[Session, Run, Backend]:
    """Return a run as `_find_run` does, with its backend."""
    session, run = _find_run(job)
    host = backend_host(session.config, run.backend)
    if host not in ("", host_name()):
        message = f"run {run.id} is on the backend {run.backend}, which is on {host} only"
        raise user_error("backend-elsewhere", message, f"run this command on {host}")
    return session, run, get_backend(open_backends(session), run.backend)


def _find_run(job: str) -> tuple[Session, Run]:
    """Return a run by its name, or the newest run of a job by the job's name."""
    session = open_current_session()
    state = session.read_refreshed_state()
    address = parse_job_address(state.current, job)
    latest = state.current[address].latest
    run_id = latest if job.removeprefix(f"{_JOB_KIND}/") == address.name else job
    run = state.find_run(address, run_id) if run_id else None
    if run is None and not latest:
        raise user_error("run-unknown", f"{address} has no run yet", f"start one with `mlgit job rerun {address.name}`")
    if run is None:
        message = f"{address} has no run {run_id}"
        raise user_error("run-unknown", message, f"run `mlgit job list {address.name}` to list its runs")
    return session, run


def parse_job_address(addresses: Collection[Address], job: str) -> Address:
    """Return the address of a job, given its name or the name of one of its runs."""
    name = job.removeprefix(f"{_JOB_KIND}/")
    for candidate in (name, name.rpartition("-")[0]):
        address = Address(_JOB_KIND, candidate)
        if address in addresses:
            return address
    jobs = ", ".join(address.name for address in addresses if address.kind == _JOB_KIND)
    raise user_error("job-unknown", f"there is no job or run {job}", f"known jobs: {jobs or 'none'}")


def _parse_metric_line(line: str) -> dict[str, Json] | None:
    """Return the metric of a line; None if the line was cut off by the end of the run."""
    try:
        metric: Json = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return metric if isinstance(metric, dict) and {"key", "value", "step"} <= metric.keys() else None


def _copy_log(log: Path, position: int) -> int:
    """Copy a log from a position on to standard output; return where it ends."""
    if not log.exists():
        return position
    with open_regular_file(log) as file:
        file.seek(position)
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
        return file.tell()
