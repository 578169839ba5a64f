"""Remove experiments that ended long ago from the live state, as `keep_experiments:` of mlgit.yml says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import UserError
from reconciler.git.refs import RefUpdate
from reconciler.model import Address, Run
from reconciler.project.state_session import StateSession
from reconciler.state.history import format_trailers
from reconciler.state.process import user_name
from reconciler.state.store import SOURCES_PREFIX, WriteBatch
from reconciler.timestamps import format_timestamp

RUN_COMMIT_MESSAGE = "mlgit run"
"""The message of the commits that keep the files of experiments."""
_JOB_KIND = "job"


def prune_experiments(session: StateSession) -> None:
    """Remove the experiments that ended long ago, with the commits that only they need; failing, the next command does.

    All attempts of a fingerprint go together, so that the number of an attempt is not used twice.
    """
    with suppress(UserError):
        runs = session.state_store.read_experiments(_JOB_KIND)
        if not runs:
            return
        limit = format_timestamp(datetime.now(UTC) - timedelta(days=session.config.keep_experiments), "milliseconds")
        old = list(_old_runs(runs, limit))
        if old:
            message = f"run: prune {pluralize(len(old), 'experiment')}\n\n{format_trailers(user_name())}\n"
            session.state_store.write(WriteBatch(removed_experiments=tuple(old)), message)
            _release_commits(session, {run.commit for run in old} - {run.commit for run in runs if run not in old})


def _old_runs(runs: Sequence[Run], limit: str) -> Iterator[Run]:
    attempts: dict[tuple[Address, str], list[Run]] = {}
    for run in runs:
        attempts.setdefault((run.address, run.fingerprint), []).append(run)
    for group in attempts.values():
        if all(not run.is_unfinished and (run.ended_at or run.submitted_at) < limit for run in group):
            yield from group


def _release_commits(session: StateSession, commits: set[str]) -> None:
    """Let Git remove the commits that were made for experiments; others may have been applied."""
    repository, refs = session.workspace.repository, session.state_store.ref_store
    pinned = refs.refs_below(SOURCES_PREFIX)
    for commit in sorted(commits & pinned.keys()):
        if repository.git("log", "--max-count=1", "--format=%B", commit).strip() == RUN_COMMIT_MESSAGE:
            refs.compare_and_swap(RefUpdate(f"{SOURCES_PREFIX}{commit}", "", pinned[commit]))
