"""An observation folded into the live state: runs that ended since, as advances and as planning sees them."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model import Action, Address, Json, Live, Observation, Op, Report, Run, Status


def fold(live: Live, observation: Observation) -> tuple[Live, tuple[Action, ...]]:
    """Return the live state with what was observed put in, and the actions that record the runs that ended."""
    seen: dict[tuple[Address, str], Run] = {}
    current = dict(live.current)
    for address, record in sorted(live.current.items()):
        report = observation.runs.get(record.latest)
        run = live.run(address, record.latest) if report else None
        if run is None or report is None or (new := reported(run, report)) == run:
            continue
        seen[address, run.id] = new
        if new.status is Status.COMPLETED and new.fingerprint == record.fingerprint:
            current[address] = replace(record, run=new.id)

    def look_up(address: Address, run_id: str) -> Run | None:
        return seen.get((address, run_id)) or live.run(address, run_id)

    ended = (run for run in seen.values() if not run.status.active)
    advances = tuple(Action(Op.RECORD, run.address, version=run.id, run=run) for run in ended)
    return replace(live, current=current, run=look_up), advances


def reported(run: Run, report: Report) -> Run:
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
