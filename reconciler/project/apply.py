"""Apply a prepared plan: open the providers, pin the source commit, and report events to a listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.engine.locking import release_stale_locks
from reconciler.engine.loop import apply_until_converged
from reconciler.engine.request import ApplyListener, ApplyResult
from reconciler.model import Lock, SourceRevision
from reconciler.project.known_states import register_state
from reconciler.project.prepare import PreparedApply, raise_if_policies_fail
from reconciler.project.providers import open_providers
from reconciler.project.prune_experiments import prune_experiments
from reconciler.project.session import Session
from reconciler.project.tracking import mirror_records
from reconciler.state.fast_forward import lift_rollback_hold, record_applied_commit


def apply_plan(
    session: Session,
    prepared: PreparedApply,
    listener: ApplyListener,
    *,
    wait: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> ApplyResult:
    """Apply a plan and what follows from it; with ``wait``, until every run has ended.

    Once ``stopping`` returns True no action is started; running actions finish and are recorded. A failed action is in
    the result, and skips only the actions that need it. Raises UserError if nothing can be applied.
    """
    raise_if_policies_fail(prepared)
    request = prepared.request
    request = replace(request, desired=request.desired._replace(source=_pin_source(session)))
    providers = open_providers(session)
    is_destroy = request.plan_options.destroy  # which needs no store, and makes none
    if not is_destroy:
        register_state(session, providers.store)
    try:
        result = apply_until_converged(providers, request, prepared.plan, listener, wait=wait, is_stopping=stopping)
    finally:
        if not is_destroy:
            register_state(session, providers.store)  # the first apply makes the state
    mirror_records(session, listener.on_note)
    prune_experiments(session)
    return result


def finish_without_actions(session: Session, prepared: PreparedApply) -> tuple[Lock, ...]:
    """Do what an apply without actions still does: record its commit, end a rollback hold, release stale locks.

    Return these locks.
    """
    request = prepared.request
    allow_rewind = request.plan_options.allow_rewind
    lift_rollback_hold(session.state_store, prepared.state, session.source, request.trailers, allow_rewind=allow_rewind)
    if not prepared.plan.deselected_count and record_applied_commit(
        session.state_store, prepared.state, session.source, request.trailers, allow_rewind=allow_rewind
    ):
        _pin_source(session)
    mirror_records(session, session.on_note)
    prune_experiments(session)
    return tuple(release_stale_locks(session.state_store, session.config.lease))


def _pin_source(session: Session) -> SourceRevision:
    """Keep the commit of the source reachable; a dirty work tree becomes a commit that is on no branch."""
    source, repository = session.source, session.workspace.repository
    if source.dirty:
        commit = repository.commit_tree(source.tree, source.commit, "mlgit apply --allow-dirty")
        source = source._replace(snapshot_commit=commit)
    session.state_store.pin_source_commit(source.effective_commit)
    return source
