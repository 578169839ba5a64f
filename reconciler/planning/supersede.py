"""Runs that a newer run of the same job supersedes: they finish, or are canceled with ``on_supersede: cancel``.

A run is canceled only after the newer one was submitted: if that fails, the old one continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model import SUPERSEDED, Action, Op, Record, Run, RunStatus
from reconciler.planning.decision import Decision
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.planning.resolve import PlanContext


def make_cancel_action(run: Run, record: Record | None, failure: str, reason: str) -> Action:
    """Return the action that cancels a run; ``failure`` is what is recorded with it."""
    canceled = replace(run, status=RunStatus.CANCELED, failure=failure)
    return Action(
        Op.CANCEL, record.address if record else run.address, version=run.id, record=record, run=canceled, reason=reason
    )


def cancel_superseded_runs(context: PlanContext, record: Record | None, decision: Decision) -> Decision:
    """Return the decision about a job with the cancels of its runs that are, or will be, superseded."""
    if record is None or not context.plan_options.config.cancel_superseded:
        return decision
    cancels = tuple(_cancel_actions(context, record, decision))
    return decision._replace(actions=(*decision.actions, *cancels)) if cancels else decision


def _cancel_actions(context: PlanContext, record: Record, decision: Decision) -> Iterator[Action]:
    superseding = next((action for action in decision.actions if _is_superseding(action)), None)
    newest = record.latest if superseding is None else superseding.run.id if superseding.run else ""
    reason = f"{f'run {newest}' if newest else 'a newer run'} supersedes it"
    for run in unfinished_runs_of(context.state, record):
        if run.status.is_active and run.id != newest and context.plan_options.config.has_backend(run.backend):
            cancel = make_cancel_action(run, record, SUPERSEDED, reason)
            if superseding is not None:
                cancel = cancel._replace(needs=(superseding.key,), known_after=superseding.known_after)
            yield cancel


def _is_superseding(action: Action) -> bool:
    return action.op is Op.SUBMIT or (action.op is Op.ADOPT and action.run is not None)
