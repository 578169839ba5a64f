"""Refresh: ask backends for unfinished runs, the store for its contents and the builder for what it has built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.config.config import Config
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Observation, Run, RunReport, RunStatus, State
from reconciler.planning.affinity import backend_host, has_store
from reconciler.planning.drift import content_keys_of, monitored_records
from reconciler.planning.refresh import merge_observation, unfinished_runs
from reconciler.state.process import host_name
from reconciler.storage import fsck, store_id


def refresh_runs(state: State, backends: Mapping[str, Backend]) -> Observation:
    """Ask each backend, in one call, for its unfinished runs; runs of a backend that is not given stay as recorded."""
    reports: dict[str, RunReport] = {}
    by_backend = attrgetter("backend")
    for name, runs in groupby(sorted(unfinished_runs(state), key=by_backend), key=by_backend):
        backend = backends.get(name)
        if backend is None:
            continue  # another machine, with its own mlgit.yml, may have it
        intended, submitted = _split_intended_runs(runs)
        reports |= backend.poll(submitted)
        intended_reports = ((run.id, backend.find(run.id, run.token)) for run in intended)
        reports |= {run_id: report for run_id, report in intended_reports if report is not None}
    return Observation(reports)


def refresh_state(state: State, backends: Mapping[str, Backend]) -> tuple[State, tuple[Action, ...]]:
    """Return the state with its runs as the backends report them, and the actions that record the ended ones."""
    return merge_observation(state, refresh_runs(state, backends))


def refresh_all(  # noqa: PLR0913 - every provider
    state: State, config: Config, backends: Mapping[str, Backend], store: Path, builder: Builder, *, deep: bool = False
) -> Observation:
    """Refresh runs, the store, and the environments built here; ``deep`` reads every byte of the store in use."""
    records = tuple(monitored_records(state, config))
    fingerprints = {record.fingerprint for record in records if kind_by_name(record.address.kind).uses_builder}
    unbuilt = frozenset(fingerprint for fingerprint in fingerprints if builder.find(fingerprint) is None)
    observation = Observation(unbuilt_environments=unbuilt)
    if not has_store(config, host_name()):
        skipped = f"the store is on {config.store_host}: neither the store nor runs were checked"
        return replace(observation, skipped_checks=(skipped,))
    if not is_recorded_store(state, store):
        return replace(observation, unexpected_store=str(store))
    keys = tuple(key for record in records for key in content_keys_of(state, record))
    return replace(
        observation,
        runs=refresh_runs(state, backends).runs,
        missing_contents=fsck.find_missing_contents(store, keys),
        damaged_files=fsck.find_corrupt_files(store, keys) if deep else {},
        skipped_checks=tuple(
            f"the backend {name} is on {backend_host(config, name)}: its runs were not checked"
            for name in config.backends
            if name not in backends
        ),
    )


def is_recorded_store(state: State, store: Path) -> bool:
    """Return True if the store in a folder is the one that the state was written with."""
    return state.store_id in ("", store_id.read_store_id(store))


def check_store_id(state: State, backends: Mapping[str, Backend], store: Path) -> None:
    """Raise UserError ``store-other`` if runs are unfinished in another store than the one in this folder.

    Without that store, each of these runs would seem lost.
    """
    if is_recorded_store(state, store):
        return
    run = next((run for run in unfinished_runs(state) if run.backend in backends), None)
    if run is not None:
        message = f"run {run.id} is {run.status} in another store than the one at {store}"
        hint = (
            "make that store available again, or correct store: in mlgit.yml; if it is lost, "
            f"`mlgit job cancel {run.address.name}` gives up its run"
        )
        raise user_error("store-other", message, hint)


def _split_intended_runs(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Return the runs that may never have been submitted, and the ids of the submitted ones."""
    intended: list[Run] = []
    submitted: list[str] = []
    for run in runs:
        if run.status is RunStatus.INTENDED:
            intended.append(run)
        else:
            submitted.append(run.id)
    return intended, submitted
