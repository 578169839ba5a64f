"""The argument ADDRESS of commands about all that is recorded: a version of an asset, a job, or a run."""

from __future__ import annotations

from reconciler.cli._job_argument import match_live_job
from reconciler.cli.state_session import find_live_version
from reconciler.diagnostics import user_error
from reconciler.model import Record, Run, State
from reconciler.project.state_session import StateSession


def find_version_or_run(session: StateSession, state: State, argument: str) -> Record | Run:
    """Return the version or the run that an argument names; of a job its current run, else its latest.

    Raises UserError ``run-unknown``, and as `match_live_job` and `find_live_version`.
    """
    match = match_live_job(session, state, argument)
    if match is None:
        return find_live_version(argument, state)
    address, run = match
    record = state.current.get(address)
    run = run or (state.find_run(address, record.run or record.latest) if record else None)
    if run is None:
        raise user_error("run-unknown", f"{address} has no run yet", "`mlgit job list` lists all runs")
    return run
