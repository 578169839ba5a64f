"""Submit an experiment, and record how it ended: a run beside those of what is applied.

Its intent is in the live state before it is submitted, so the next command after a crash finds it by its token. No lock
is needed: whatever else is submitted with the same token is executed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from reconciler.engine.action_context import ActionContext
from reconciler.engine.actions import execute_action
from reconciler.engine.providers import Providers
from reconciler.engine.run_conditions import poll_runs
from reconciler.model import Action, Event, Op, Run, SourceRevision, State, Tree
from reconciler.planning.refresh import merge_condition
from reconciler.state.transaction import StateTransaction

_COMMAND = "run"


@dataclass(frozen=True, slots=True)
class ExperimentContext:
    """What all steps of an experiment share; ``trailers`` end each commit message of the live state."""

    providers: Providers
    tree: Tree
    source: SourceRevision
    trailers: str
    emit: Callable[[Event], None]


def submit_experiment(
    context: ExperimentContext, state: State, needed: Iterable[Action], submission: Action, run: Run
) -> Run:
    """Submit a run and return it as it is recorded.

    The content of what it needs goes into the store; none of it is registered. Raises UserError if something cannot be
    done, ``state-conflict`` if another command has intended the same run meanwhile.
    """
    transaction, actions = _open_transaction(context, state)
    for action in needed:
        transaction.add_writes(execute_action(actions, action), action)
    transaction.take_pending()  # they were for this run only
    transaction.add_writes(execute_action(actions, submission), submission)
    transaction.flush()
    return transaction.live.find_run(run.address, run.id) or run


def refresh_run(providers: Providers, run: Run) -> Run:
    """Return a run as its backend reports it; one that is intended and was never submitted is as it is recorded."""
    backend = providers.backend(run.backend)
    handle, condition = poll_runs(backend, [run]).get(run.id, (None, None))
    return merge_condition(replace(run, handle=handle), condition) if condition else run


def record_experiment(context: ExperimentContext, state: State, run: Run) -> Run:
    """Record how an experiment ended, with its outputs in the store; return it as it is recorded."""
    transaction, actions = _open_transaction(context, state)
    action = Action(Op.RECORD, run.address, version=run.id, run=run)
    transaction.add_writes(execute_action(actions, action), action)
    transaction.flush()
    return transaction.live.find_run(run.address, run.id) or run


def _open_transaction(context: ExperimentContext, state: State) -> tuple[StateTransaction, ActionContext]:
    providers = context.providers
    transaction = StateTransaction(
        providers.state_store,
        state,
        context.source,
        context.trailers,
        providers.store_id(state),
        command=_COMMAND,
        is_apply=False,
    )
    return transaction, ActionContext(providers, context.tree, context.source, transaction, context.emit)
