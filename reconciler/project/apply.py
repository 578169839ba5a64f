"""Apply a prepared plan: open the providers, pin the source commit, and report events to a listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reconciler.engine.locking import release_stale_locks
from reconciler.engine.loop import apply_until_converged
from reconciler.engine.providers import Providers
from reconciler.engine.request import ApplyListener, ApplyResult
from reconciler.model import Lock, Run, SourceRevision
from reconciler.project.prepare import PreparedApply
from reconciler.project.refresh import open_backends, open_builder
from reconciler.project.session import Session
from reconciler.regular_files import open_regular_file
from reconciler.state.fast_forward import lift_rollback_hold
from reconciler.storage.object_store import ObjectStore

_LOG_TAIL_BYTES = 4096


def open_providers(session: Session) -> Providers:
    """Open everything that an apply acts on."""
    return Providers(
        repository=session.workspace.repository,
        config=session.config,
        state_store=session.state_store,
        store=ObjectStore(session.store_path),
        builder=open_builder(session),
        backends=open_backends(session),
    )


def apply_plan(  # noqa: PLR0913 - what is applied, where, and who listens
    session: Session,
    providers: Providers,
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
    request = prepared.request
    desired = replace(request.desired, source=_pin_source(session))
    request = replace(request, desired=desired)
    return apply_until_converged(providers, request, prepared.plan, listener, wait=wait, is_stopping=stopping)


def finish_without_actions(session: Session, prepared: PreparedApply) -> tuple[Lock, ...]:
    """Do what an apply without actions still does: end a rollback hold and release stale locks; return these."""
    request = prepared.request
    allow_rewind = request.policy.allow_rewind
    lift_rollback_hold(session.state_store, prepared.state, session.source, request.trailers, allow_rewind=allow_rewind)
    return tuple(release_stale_locks(session.state_store, session.config.lease))


def read_last_log_line(providers: Providers, run: Run) -> str:
    """Return the last line of a run's log, "" if there is none yet."""
    log: Path = providers.backend(run.backend).log_path(run.id)
    if not log.exists():
        return ""
    with open_regular_file(log) as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _pin_source(session: Session) -> SourceRevision:
    """Keep the commit of the source reachable; a dirty work tree becomes a commit that is on no branch."""
    source, repository = session.source, session.workspace.repository
    if source.dirty:
        commit = repository.commit_tree(source.tree, source.commit, "mlgit apply --allow-dirty")
        source = replace(source, snapshot_commit=commit)
    session.state_store.pin_source_commit(source.effective_commit)
    return source
