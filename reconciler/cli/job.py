"""mlgit job: runs, looked at and acted on one at a time."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import click

from reconciler.backends import Backend
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.apply import run_apply
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import user_error
from reconciler.engine.providers import get_backend
from reconciler.model import Address, Json, Run, RunStatus
from reconciler.planning.affinity import backend_host
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import merge_report
from reconciler.project.check import validate_offline
from reconciler.project.prepare import ApplyOptions, refuse_dirty_work_tree
from reconciler.project.session import Session
from reconciler.render import plan_json, text
from reconciler.state.process import host_name
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp

_JOB_KIND = "job"
_POLL_SECONDS = 0.2


@click.group("job")
def command() -> None:
    """Look at runs, and act on them. JOB is a job's name or the name of one of its runs.

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
    live = session.read_refreshed_state()
    jobs = [address for address in live.current if address.kind == _JOB_KIND]
    addresses = [_parse_job_address(jobs, job)] if job else jobs
    runs = [
        live.find_run(run.address, run.id) or run
        for address in addresses
        for run in session.state_store.runs_of(address)
    ]
    if form == "json":
        click.echo(plan_json.dump_json([plan_json.run_to_json(run) for run in runs]))
    elif not runs:
        click.echo("There are no runs yet.")
    else:
        rows = [(run.id, str(run.status), str(run.attempt), run.submitted_at, _message_first_line(run)) for run in runs]
        Terminal().print_table(("RUN", "STATUS", "ATTEMPT", "SUBMITTED", "MESSAGE"), rows)


@command.command("show")
@click.argument("job")
@format_option
@target_option
def show(job: str, form: str) -> None:
    """Show a run: how it ended, what it used, its metrics, its outputs, and where they lie.

    \b
    mlgit job show train --format json
    """
    session, run = _find_run(job)
    shown = {**plan_json.run_to_json(run), **_resolved_inputs_to_json(run), **_log_and_output_paths(session, run)}
    click.echo(plan_json.dump_json(shown) if form == "json" else text.format_outline(shown))


@command.command("logs")
@click.argument("job")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@target_option
def logs(job: str, *, follow: bool) -> int:
    """Print what a run has written.

    \b
    mlgit job logs train --follow
    """
    _, run, backend = _find_run_and_backend(job)
    try:
        written = _follow_log(backend, run) if follow else _copy_log(backend.log_path(run.id), 0)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # who looks at a log has seen enough
    if written == 0:
        click.echo(f"run {run.id} is {run.status} and has written nothing", err=True)
    return 0


def _follow_log(backend: Backend, run: Run) -> int:
    """Copy the log of a run until the run has ended; return how much that was."""
    active, at = True, 0
    while active:
        active = backend.poll([run.id])[run.id].status.is_active
        at = _copy_log(backend.log_path(run.id), at)
        if active:
            time.sleep(_POLL_SECONDS)
    return at


@command.command("metrics")
@click.argument("job")
@format_option
@target_option
def metrics(job: str, form: str) -> None:
    """Show the metrics that a run has logged: the last value of each, and how many there are.

    \b
    mlgit job metrics train
    """
    _, run, backend = _find_run_and_backend(job)
    path = backend.metrics_path(run.id)
    lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
    logged = [each for line in lines if (each := _parse_metric_line(line)) is not None]
    if len(logged) < len(lines):
        broken = text.pluralize(len(lines) - len(logged), "line")
        click.echo(f"left out: {broken} of {path.name} that cannot be read", err=True)
    own = [each for each in logged if "run" not in each]
    if form == "json":
        click.echo(plan_json.dump_json(own))
    elif not own:
        click.echo(f"run {run.id} has logged no metrics")
    else:
        last = {each["key"]: each for each in own}
        counts = {key: sum(each["key"] == key for each in own) for key in last}
        rows = [(key, str(each["value"]), str(each["step"]), str(counts[key])) for key, each in last.items()]
        Terminal().print_table(("METRIC", "LAST", "STEP", "VALUES"), rows)


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
    if ended.status not in (
        RunStatus.CANCELED,
        RunStatus.LOST,
    ):  # lost: it had not begun, or was beyond ending by itself
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


@command.command("rerun")
@click.argument("job")
@click.option("--wait", "waits", is_flag=True, help="Wait for the run to end, and register what it makes.")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@target_option
def rerun(job: str, *, waits: bool, auto_approve: bool) -> int:
    """Run a job again though nothing changed, or though it failed; nothing else is applied.

    \b
    mlgit job rerun train --wait
    """
    session = open_current_session()
    refuse_dirty_work_tree(session, allow_dirty=False)
    address = _parse_job_address(validate_offline(session)[0].assets, job)  # it may never have been run
    _refuse_running_job(session, address)
    policy = Policy(session.config, frozenset({address}))
    return run_apply(session, ApplyOptions(policy, only_address=address), auto_approve=auto_approve, wait=waits)


def _refuse_running_job(session: Session, address: Address) -> None:
    """Refuse to run a job beside itself: the run that goes on would be superseded though nothing changed."""
    live = session.read_refreshed_state()
    record = live.current.get(address)
    run = live.find_run(address, record.latest) if record and record.latest else None
    if run and run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and run.backend in session.config.backends:
        hint = f"cancel it first with `mlgit job cancel {address.name}`, or wait for it to end"
        raise user_error("run-active", f"run {run.id} is still running", hint)


def _resolved_inputs_to_json(run: Run) -> Json:
    """Say what a run was given: literal values as they are, everything else by its version."""
    given = {name: each if isinstance(each, Mapping) else {"value": each} for name, each in _spec_inputs(run).items()}
    found = {name: run.references.get(f"/inputs/{name}/path") for name in given}
    inputs = {
        name: str(found[name]) if found[name] else each.get("path", each.get("value")) for name, each in given.items()
    }
    environment = run.references.get("/environment")
    return ({"environment": str(environment)} if environment else {}) | ({"inputs": inputs} if inputs else {})


def _spec_inputs(run: Run) -> Mapping[str, Json]:
    return run.spec.get("inputs") or {}


def _log_and_output_paths(session: Session, run: Run) -> Json:
    """Say where a run's log and its outputs lie; nothing where its backend cannot be asked."""
    backend = session.open_backends().get(run.backend)
    if backend is None:
        return {}
    return {"log": str(backend.log_path(run.id)), "output_folder": str(backend.outputs_path(run.id))}


def _find_run_and_backend(job: str) -> tuple[Session, Run, Backend]:
    """Return a run as `_find` does, and the backend that it is on."""
    session, run = _find_run(job)
    machine = backend_host(session.config, run.backend)
    if machine not in ("", host_name()):
        message = f"run {run.id} is on the backend {run.backend}, which is on {machine} only"
        raise user_error("backend-elsewhere", message, f"run this command on {machine}")
    return session, run, get_backend(session.open_backends(), run.backend)


def _find_run(job: str) -> tuple[Session, Run]:
    """Return a run by its name, or the newest run of a job by the job's name."""
    session = open_current_session()
    live = session.read_refreshed_state()
    address = _parse_job_address(live.current, job)
    latest = live.current[address].latest
    wanted = latest if job.removeprefix(f"{_JOB_KIND}/") == address.name else job
    run = live.find_run(address, wanted) if wanted else None
    if run is None and not latest:
        raise user_error("run-unknown", f"{address} has no run yet", f"`mlgit job rerun {address.name}` starts one")
    if run is None:
        message = f"{address} has no run {wanted}"
        raise user_error("run-unknown", message, f"`mlgit job list {address.name}` lists the runs it has")
    return session, run


def _parse_job_address(known: Collection[Address], job: str) -> Address:
    """Read the name of a job, or of one of its runs."""
    name = job.removeprefix(f"{_JOB_KIND}/")
    for candidate in (name, name.rpartition("-")[0]):
        address = Address(_JOB_KIND, candidate)
        if address in known:
            return address
    jobs = ", ".join(address.name for address in known if address.kind == _JOB_KIND) or "none"
    raise user_error("job-unknown", f"there is no job or run {job}", f"jobs there are: {jobs}")


def _parse_metric_line(line: str) -> dict[str, Json] | None:
    """Read one line of metrics; None where the run, or its machine, ended in the middle of it."""
    try:
        found: Json = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"key", "value", "step"} <= found.keys() else None


def _message_first_line(run: Run) -> str:
    """Return what a run's message begins with: the rest is for `job show`."""
    return run.message.partition("\n")[0].removesuffix("; its last lines:")


def _copy_log(log: Path, at: int) -> int:
    """Copy what a log has from a place on to standard output; return where it ends."""
    if not log.exists():
        return at
    with log.open("rb") as file:
        file.seek(at)
        written = file.read()
    sys.stdout.buffer.write(written)
    sys.stdout.flush()
    return at + len(written)
