"""The run that the argument JOB of a command stands for, and its backend."""

from __future__ import annotations

from reconciler.backends import get_backend
from reconciler.cli._job_argument import find_live_job
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import user_error
from reconciler.model import Address, Run, State
from reconciler.model.backend import Backend
from reconciler.project.state_session import StateSession
from reconciler.state.process import host_name


def find_run_and_backend(job: str) -> tuple[StateSession, Run, Backend]:
    """Return a run as `find_run` does, with its backend."""
    session, _, run = find_run(job)
    host = session.config.backend_host(run.backend)
    if host not in ("", host_name()):
        message = f"run {run.id} is on the backend {run.backend}, which is on {host} only"
        raise user_error("backend-elsewhere", message, f"run this command on {host}")
    return session, run, get_backend(session.open_backends(), run.backend)


def find_run(job: str) -> tuple[StateSession, State, Run]:
    """Return the run that an argument names, or the newest run of the job that it names, with the live state."""
    session = open_current_state_session()
    state = session.read_refreshed_state()
    address, run = find_live_job(session, state, job)
    run = run or _find_newest_run(session, state, address)
    if run is None:
        raise user_error("run-unknown", f"{address} has no run yet", f"start one with `mlgit job rerun {address.name}`")
    return session, state, run


def _find_newest_run(session: StateSession, state: State, address: Address) -> Run | None:
    """Return the newest run of a job or, if that is newer, its newest experiment; None if it has neither."""
    record = state.current.get(address)
    run_ids = [record.latest] if record and record.latest else []
    run_ids += session.state_store.list_experiments(address.kind).get(address, ())
    runs = filter(None, (state.find_run(address, run_id) for run_id in run_ids))
    return max(runs, key=lambda run: run.submitted_at, default=None)
