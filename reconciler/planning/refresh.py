"""An observation folded into the live state: runs that ended since, as advances and as planning sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model import (
    SUPERSEDED,
    Action,
    Address,
    Json,
    Observation,
    Op,
    Overlay,
    Record,
    Run,
    RunReport,
    RunStatus,
    State,
)


def unfinished_runs(live: State) -> Iterator[Run]:
    """Yield every run whose end, or what it made, is not recorded yet: superseded ones too."""
    for record in live.current.values():
        yield from unfinished_runs_of(live, record)


def unfinished_runs_of(live: State, record: Record) -> Iterator[Run]:
    """Yield the runs of one job whose end is not recorded yet, the newest last."""
    named = dict.fromkeys((*record.unfinished, record.latest))
    runs = (live.find_run(record.address, run_id) for run_id in named if run_id)
    yield from (run for run in runs if run is not None and run.is_unfinished)


def merge_observation(live: State, observation: Observation) -> tuple[State, tuple[Action, ...]]:
    """Return the live state with what was observed put in, and the actions that record the runs that ended.

    A run that was superseded is recorded too, and never becomes current.
    """
    if not observation.runs:
        return live, ()
    seen: dict[tuple[Address, str], Run] = {}
    completed: dict[Address, Record] = {}
    for address, record in sorted(live.current.items()):
        for run in unfinished_runs_of(live, record):
            report = observation.runs.get(run.id)
            if report is None or ((new := merge_report(run, report)) == run and run.status.is_active):
                continue
            latest = run.id == record.latest
            seen[address, run.id] = new if latest else _with_superseded_failure(new)
            if latest and new.status is RunStatus.COMPLETED and new.fingerprint == record.fingerprint:
                completed[address] = replace(record, run=new.id)

    def look_up(address: Address, run_id: str) -> Run | None:
        return seen.get((address, run_id)) or live.find_run(address, run_id)

    ended = (run for run in seen.values() if not run.status.is_active)
    advances = tuple(
        Action(Op.RECORD, run.address, version=run.id, record=live.current[run.address], run=run) for run in ended
    )
    return replace(live, current=Overlay(live.current, completed), find_run=look_up), advances


def _with_superseded_failure(run: Run) -> Run:
    """Attribute a cancel that nobody has recorded: whoever was killed at it had a superseded run to stop."""
    unrecorded = run.status is RunStatus.CANCELED and not run.failure
    return replace(run, failure=SUPERSEDED) if unrecorded else run


def merge_report(run: Run, report: RunReport) -> Run:
    """Return a run as a backend's report has it."""
    result = report.result or {}
    failure: Json = result.get("failure") or {}
    return replace(
        run,
        status=report.status,
        failure=failure.get("class", run.failure),
        message=failure.get("message", report.message),
        started_at=result.get("started", run.started_at),
        ended_at=result.get("ended", run.ended_at),
        outputs=result.get("outputs", run.outputs),
        metrics=result.get("metrics", run.metrics),
        params=result.get("params", run.params),
    )
