"""An observation merged into the live state: the runs that ended since, and the actions that record them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.model import (
    SUPERSEDED,
    Action,
    Address,
    Condition,
    Json,
    Observation,
    Op,
    Overlay,
    Phase,
    Record,
    Run,
    RunStatus,
    State,
    StepRun,
    failure_reason,
)
from reconciler.model.providers import CANCELED, FILES_GONE
from reconciler.model.runs import PENDING_WRITE
from reconciler.secrets.redact import mask_secrets, secret_values

_RUN_STATUSES = {
    Phase.PENDING: RunStatus.QUEUED,
    Phase.RUNNING: RunStatus.RUNNING,
    Phase.READY: RunStatus.RUNNING,
    Phase.SUCCEEDED: RunStatus.COMPLETED,
    Phase.FAILED: RunStatus.FAILED,
    Phase.GONE: RunStatus.LOST,
}


def unfinished_runs(state: State) -> Iterator[Run]:
    """Yield every run whose end or outputs are not recorded yet, superseded ones and experiments too."""
    for record in state.current.values():
        yield from unfinished_runs_of(state, record)
    yield from state.read_open_experiments()


def unfinished_runs_of(state: State, record: Record) -> Iterator[Run]:
    """Yield the unfinished runs of one job, the newest last."""
    run_ids = dict.fromkeys((*record.unfinished, record.latest))
    runs = (state.find_run(record.address, run_id) for run_id in run_ids if run_id)
    yield from (run for run in runs if run is not None and run.is_unfinished)


def active_runs(state: State) -> Iterator[Run]:
    """Yield the newest run of each job if it is active; superseded runs and experiments are left out."""
    yield from (
        run
        for run in unfinished_runs(state)
        if run.status.is_active and not run.experiment and state.current[run.address].latest == run.id
    )


WRITE_AGAIN = "not all of its outputs were written to their paths"
"""The reason of an action that writes outputs again, of a run whose end is recorded."""


def has_pending_writes(run: Run, steps: Sequence[StepRun]) -> bool:
    """Return True if outputs of a run or of its steps could not be written to their paths, and are written again."""
    recorded = (run.outputs, *(step.outputs for step in steps))
    return any(PENDING_WRITE in (output or ()) for outputs in recorded for output in outputs.values())


def write_again_actions(state: State, record: Record | None, decided: Sequence[Action]) -> Iterator[Action]:
    """Yield the action that writes the outputs of the newest run again that could not be written when it had ended.

    Nothing is written once another run is submitted or recorded, which writes its own.
    """
    if record is None or record.archived or record.latest not in record.unfinished:
        return
    if any(action.op in {Op.SUBMIT, Op.RECORD, Op.ADOPT} for action in decided):
        return
    run = state.find_run(record.address, record.latest)
    if run is not None and not run.is_unfinished and has_pending_writes(run, state.find_steps(run.id)):
        yield Action(Op.RECORD, record.address, version=record.latest, reason=WRITE_AGAIN, record=record, run=run)


def merge_observation(state: State, observation: Observation) -> tuple[State, tuple[Action, ...]]:
    """Return the live state with an observation merged in, and the actions that record the runs that ended.

    A run that was superseded is recorded too, and never becomes current.
    """
    state = _merge_conditions(state, observation)
    if not observation.runs:
        return state, ()
    observed: dict[tuple[Address, str], Run] = {}
    completed: dict[Address, Record] = {}
    for address, record in sorted(state.current.items()):
        for recorded in unfinished_runs_of(state, record):
            if (merged := _observed_run(recorded, observation)) is None:
                continue
            is_latest = merged.id == record.latest
            observed[address, merged.id] = merged if is_latest else _with_superseded_failure(merged)
            if is_latest and merged.status is RunStatus.COMPLETED and merged.fingerprint == record.fingerprint:
                completed[address] = replace(record, run=merged.id)
    experiments = state.read_open_experiments()
    merged_experiments = filter(None, (_observed_run(recorded, observation) for recorded in experiments))
    observed |= {(run.address, run.id): run for run in merged_experiments}

    def find_run(address: Address, run_id: str) -> Run | None:
        return observed.get((address, run_id)) or state.find_run(address, run_id)

    ended = (run for run in observed.values() if not run.status.is_active)
    advances = tuple(
        Action(Op.RECORD, run.address, version=run.id, record=state.current.get(run.address), run=run) for run in ended
    )
    still_open = tuple(observed.get((run.address, run.id), run) for run in experiments)
    merged_state = state._replace(current=Overlay(state.current, completed), find_run=find_run)
    return merged_state._replace(read_open_experiments=lambda: still_open), advances


def _observed_run(recorded: Run, observation: Observation) -> Run | None:
    """Return an unfinished run as its backend reports it; None if nothing is known, or it is as recorded."""
    condition = observation.runs.get(recorded.id)
    run = replace(recorded, handle=recorded.handle or observation.handles.get(recorded.id))
    if condition is None or ((merged := merge_condition(run, condition)) == run and run.status.is_active):
        return None
    return merged


def _merge_conditions(state: State, observation: Observation) -> State:
    """Return the live state with the conditions of resources as their providers report them."""
    records = ((state.current.get(address), condition) for address, condition in observation.conditions.items())
    changed = {record.address: replace(record, condition=condition) for record, condition in records if record}
    return state._replace(current=Overlay(state.current, changed)) if changed else state


def run_status_of(condition: Condition) -> RunStatus | None:
    """Return the status of a run in a condition; None if its backend does not know."""
    if condition.phase is Phase.FAILED and condition.reason == CANCELED:
        return RunStatus.CANCELED
    return _RUN_STATUSES.get(condition.phase)


def _with_superseded_failure(run: Run) -> Run:
    """Return a superseded run with the reason of a cancel that was not recorded because its apply was killed."""
    is_unrecorded = run.status is RunStatus.CANCELED and not run.failure
    return replace(run, failure=SUPERSEDED) if is_unrecorded else run


def merge_condition(run: Run, condition: Condition) -> Run:
    """Return a run as its backend reports it; as it is recorded if the backend does not know."""
    status = run_status_of(condition)
    if status is None:
        return run
    result = condition.result
    failure: Json = result.get("failure") or {}
    message = failure.get("message") or ("" if condition.reason == FILES_GONE else condition.message)
    return replace(
        run,
        status=status,
        failure=failure.get("class", run.failure),
        message=mask_secrets(failure_reason(message), secret_values(run.spec)),
        exit_code=failure.get("exit_code"),
        started_at=result.get("started", run.started_at),
        ended_at=result.get("ended", run.ended_at),
        outputs=result.get("outputs", run.outputs),
        metrics=result.get("metrics", run.metrics),
        params=result.get("params", run.params),
    )
