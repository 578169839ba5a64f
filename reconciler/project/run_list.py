"""All runs of a workspace, as `mlgit job list` shows them: from the local cache where the state has not changed."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model import Address, State
from reconciler.planning.refresh import merge_observation
from reconciler.project.state_session import StateSession
from reconciler.source.folder_cache import FolderCache
from reconciler.state.codec import RunSummary, summarize_run
from reconciler.state.run_list import ListedJob

_JOB_KIND = "job"


def list_all_runs(session: StateSession) -> list[RunSummary]:
    """Return every run of every job, those that have not ended as their backends report them."""
    state = session.read_recorded_state()
    store = session.state_store
    jobs = store.list_jobs(_JOB_KIND, FolderCache(session.workspace.cache, store.live_ref))
    unfinished = [job.address for job in jobs if _has_unfinished_run(job)]
    if unfinished:
        jobs = _with_reported_runs(session, state, jobs, unfinished)
    return [run for job in jobs for run in job.runs]


def _has_unfinished_run(job: ListedJob) -> bool:
    return any(run.is_unfinished and run.id in job.open_runs for run in job.runs)


def _with_reported_runs(
    session: StateSession, state: State, jobs: Sequence[ListedJob], unfinished: Sequence[Address]
) -> list[ListedJob]:
    """Return the jobs with the unfinished runs of some of them as their backends report them."""
    state = state._replace(current={item: state.current[item] for item in unfinished if item in state.current})
    observation = session.observe_runs(state)
    if observation is not None:
        state = merge_observation(state, observation)[0]
    return [
        job._replace(runs=[_reported_run(state, job, run) for run in job.runs]) if job.address in unfinished else job
        for job in jobs
    ]


def _reported_run(state: State, job: ListedJob, listed: RunSummary) -> RunSummary:
    run = state.find_run(job.address, listed.id) if listed.is_unfinished else None
    return summarize_run(run) if run else listed
