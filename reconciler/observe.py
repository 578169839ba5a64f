"""The world as an observation: what the backends say of the runs that the live state takes for active."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from reconciler.backends import Backend
from reconciler.model import Live, Observation, Report, Run, Status


def observe(live: Live, backends: Mapping[str, Backend]) -> Observation:
    """Ask each backend, in one go, for its runs that have not ended."""
    reports: dict[str, Report] = {}
    active = sorted(active_runs(live), key=lambda run: run.backend)
    for name, runs in groupby(active, key=lambda run: run.backend):
        backend = backends.get(name)
        if backend is None:
            continue  # nothing here can tell; another machine, with its own mlgit.yml, may
        intended, submitted = _split(runs)
        reports |= backend.poll(submitted)
        found = ((run.id, backend.find(run.id, run.token)) for run in intended)
        reports |= {run_id: report for run_id, report in found if report is not None}
    return Observation(reports)


def active_runs(live: Live) -> Iterator[Run]:
    """Yield the newest run of each job that has not ended."""
    for address, record in live.current.items():
        run = live.run(address, record.latest) if record.latest else None
        if run is not None and run.status.active:
            yield run


def _split(runs: Iterator[Run]) -> tuple[list[Run], list[str]]:
    """Part the runs that may never have been submitted from those that were."""
    intended: list[Run] = []
    submitted: list[str] = []
    for run in runs:
        if run.status is Status.INTENDED:
            intended.append(run)
        else:
            submitted.append(run.id)
    return intended, submitted
