"""The world as an observation: what the backends say of the runs that the live state takes for unfinished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from reconciler.backends import Backend
from reconciler.content import identity
from reconciler.diagnostics import failure
from reconciler.model import Live, Observation, Report, Run, Status
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
