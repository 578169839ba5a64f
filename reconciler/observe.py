"""The world as an observation: how runs stand that the live state takes for unfinished, and what has gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.content import identity, presence
from reconciler.diagnostics import failure
from reconciler.format.config import Config
from reconciler.format.kinds import kind_named
from reconciler.live.process import host
from reconciler.model import Live, Observation, Report, Run, Status
from reconciler.planning.drift import contents_of, watched
from reconciler.planning.hosts import has_store, host_of
from reconciler.planning.observed import unfinished


def observe(live: Live, backends: Mapping[str, Backend]) -> Observation:
    """Ask each backend, in one go, for its runs that have not ended."""
    reports: dict[str, Report] = {}
    for name, runs in groupby(sorted(unfinished(live), key=_backend), key=_backend):
        backend = backends.get(name)
        if backend is None:
            continue  # nothing here can tell; another machine, with its own mlgit.yml, may
        intended, submitted = _split(runs)
        reports |= backend.poll(submitted)
        found = ((run.id, backend.find(run.id, run.token)) for run in intended)
        reports |= {run_id: report for run_id, report in found if report is not None}
    return Observation(reports)


def look_around(  # noqa: PLR0913 - everything that there is to look at
    live: Live, config: Config, backends: Mapping[str, Backend], store: Path, builder: Builder, *, deep: bool = False
) -> Observation:
    """Observe runs, the store, and what is built here; ``deep`` reads every byte of the store that is in use."""
    records = tuple(watched(live, config))
    built = {each.fingerprint for each in records if kind_named(each.address.kind).built}
    seen = Observation(unbuilt=frozenset(each for each in built if builder.find(each) is None))
    if not has_store(config, host()):
        return replace(seen, unseen=(f"the store is on {config.store_host}: neither it nor runs were looked at",))
    if not is_here(live, store):
        return replace(seen, other_store=str(store))
    keys = tuple(key for each in records for key in contents_of(live, each))
    wrong = presence.damaged(store, keys) if deep else {}
    away = (name for name in config.backends if name not in backends)
    unseen = tuple(f"the backend {each} is on {host_of(config, each)}: its runs were not looked at" for each in away)
    runs = observe(live, backends).runs
    return replace(seen, runs=runs, missing=presence.absent(store, keys), damaged=wrong, unseen=unseen)


def active_runs(live: Live) -> Iterator[Run]:
    """Yield the newest run of each job that has not ended; one that was superseded is nobody's to wait for."""
    yield from (run for run in unfinished(live) if run.status.active and live.current[run.address].latest == run.id)


def is_here(live: Live, store: Path) -> bool:
    """Tell whether the store in a folder is the one that the live state was written with."""
    return live.store in ("", identity.read(store))


def check_store(live: Live, backends: Mapping[str, Backend], store: Path) -> None:
    """Raise UserError ``store-other`` where runs are under way in a store, and it is not the one in this folder.

    Without it, every one of them would look lost.
    """
    if is_here(live, store):
        return
    run = next((each for each in unfinished(live) if each.backend in backends), None)
    if run is not None:
        message = f"run {run.id} is {run.status} in another store than the one at {store}"
        hint = (
            "bring that store back, or correct store: in mlgit.yml; if it is gone for good, "
            f"`mlgit job cancel {run.address.name}` gives up its run"
        )
        raise failure("store-other", message, hint)


def _backend(run: Run) -> str:
    return run.backend


def _split(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Part the runs that may never have been submitted from those that were."""
    intended: list[Run] = []
    submitted: list[str] = []
    for run in runs:
        if run.status is Status.INTENDED:
            intended.append(run)
        else:
            submitted.append(run.id)
    return intended, submitted
