"""Runs whose place another has taken: left to finish, or stopped where ``on_supersede: cancel`` says so.

A run is stopped only after the one that takes its place was submitted: should that fail, the old one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model import SUPERSEDED, Action, Op, Record, Run, RunStatus
from reconciler.planning.decision import Decision
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.planning.resolve import PlanContext


def make_cancel_action(run: Run, record: Record, why: str, reason: str) -> Action:
    """Return the action that stops a run; ``why`` is what is recorded as its failure."""
    stopped = replace(run, status=RunStatus.CANCELED, failure=why)
    return Action(Op.CANCEL, record.address, version=run.id, record=record, run=stopped, reason=reason)


def cancel_superseded_runs(view: PlanContext, record: Record | None, decision: Decision) -> Decision:
    """Add to what follows for a job the stopping of its runs that are, or will be, superseded."""
    if record is None or not view.policy.config.cancel_superseded:
        return decision
    cancels = tuple(_cancel_actions(view, record, decision))
    return replace(decision, actions=(*decision.actions, *cancels)) if cancels else decision


def _cancel_actions(view: PlanContext, record: Record, decision: Decision) -> Iterator[Action]:
    coming = next((action for action in decision.actions if _is_superseding(action)), None)
    newest = coming.run.id if coming and coming.run else "" if coming else record.latest
    reason = f"{_format_run(newest)} {'takes' if coming else 'has taken'} its place"
    for run in unfinished_runs_of(view.state, record):
        if run.status.is_active and run.id != newest and run.backend in view.policy.config.backends:
            done = make_cancel_action(run, record, SUPERSEDED, reason)
            yield replace(done, needs=(coming.key,), known_after=coming.known_after) if coming else done


def _is_superseding(action: Action) -> bool:
    return action.op is Op.SUBMIT or (action.op is Op.ADOPT and action.run is not None)


def _format_run(newest: str) -> str:
    return f"run {newest}" if newest else "a newer run"
