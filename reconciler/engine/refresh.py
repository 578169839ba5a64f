"""The world as an observation: how runs stand that the live state takes for unfinished, and what has gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.config.config import Config
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kind_by_name
from reconciler.model import Observation, Run, RunReport, RunStatus, State
from reconciler.planning.affinity import backend_host, has_store
from reconciler.planning.drift import content_keys_of, monitored_records
from reconciler.planning.refresh import unfinished_runs
from reconciler.state.process import host_name
from reconciler.storage import fsck, store_id


def refresh_runs(live: State, backends: Mapping[str, Backend]) -> Observation:
    """Ask each backend, in one go, for its runs that have not ended."""
    reports: dict[str, RunReport] = {}
    for name, runs in groupby(sorted(unfinished_runs(live), key=_run_backend), key=_run_backend):
        backend = backends.get(name)
        if backend is None:
            continue  # nothing here can tell; another machine, with its own mlgit.yml, may
        intended, submitted = _split_intended_runs(runs)
        reports |= backend.poll(submitted)
        found = ((run.id, backend.find(run.id, run.token)) for run in intended)
        reports |= {run_id: report for run_id, report in found if report is not None}
    return Observation(reports)


def refresh_all(  # noqa: PLR0913 - everything that there is to look at
    live: State, config: Config, backends: Mapping[str, Backend], store: Path, builder: Builder, *, deep: bool = False
) -> Observation:
    """Observe runs, the store, and what is built here; ``deep`` reads every byte of the store that is in use."""
    records = tuple(monitored_records(live, config))
    built = {record.fingerprint for record in records if kind_by_name(record.address.kind).uses_builder}
    seen = Observation(unbuilt_environments=frozenset(each for each in built if builder.find(each) is None))
    if not has_store(config, host_name()):
        return replace(
            seen, skipped_checks=(f"the store is on {config.store_host}: neither it nor runs were looked at",)
        )
    if not is_recorded_store(live, store):
        return replace(seen, unexpected_store=str(store))
    keys = tuple(key for record in records for key in content_keys_of(live, record))
    wrong = fsck.find_corrupt_files(store, keys) if deep else {}
    away = (name for name in config.backends if name not in backends)
    unseen = tuple(
        f"the backend {each} is on {backend_host(config, each)}: its runs were not looked at" for each in away
    )
    runs = refresh_runs(live, backends).runs
    return replace(
        seen,
        runs=runs,
        missing_contents=fsck.find_missing_contents(store, keys),
        damaged_files=wrong,
        skipped_checks=unseen,
    )


def active_runs(live: State) -> Iterator[Run]:
    """Yield the newest run of each job that has not ended; one that was superseded is nobody's to wait for."""
    yield from (
        run for run in unfinished_runs(live) if run.status.is_active and live.current[run.address].latest == run.id
    )


def is_recorded_store(live: State, store: Path) -> bool:
    """Tell whether the store in a folder is the one that the live state was written with."""
    return live.store_id in ("", store_id.read_store_id(store))


def check_store_id(live: State, backends: Mapping[str, Backend], store: Path) -> None:
    """Raise UserError ``store-other`` where runs are under way in a store, and it is not the one in this folder.

    Without it, every one of them would look lost.
    """
    if is_recorded_store(live, store):
        return
    run = next((run for run in unfinished_runs(live) if run.backend in backends), None)
    if run is not None:
        message = f"run {run.id} is {run.status} in another store than the one at {store}"
        hint = (
            "bring that store back, or correct store: in mlgit.yml; if it is gone for good, "
            f"`mlgit job cancel {run.address.name}` gives up its run"
        )
        raise user_error("store-other", message, hint)


def _run_backend(run: Run) -> str:
    return run.backend


def _split_intended_runs(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Part the runs that may never have been submitted from those that were."""
    intended: list[Run] = []
    submitted: list[str] = []
    for run in runs:
        if run.status is RunStatus.INTENDED:
            intended.append(run)
        else:
            submitted.append(run.id)
    return intended, submitted
