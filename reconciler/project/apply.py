"""A plan of a session done: the world that it acts on opened, its source kept, what is done told to who watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.engine.loop import apply_until_converged
from reconciler.engine.providers import Providers
from reconciler.engine.request import ApplyListener, ApplyRequest, ApplyResult
from reconciler.git.repository import user_name
from reconciler.model import Plan, SourceRevision
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy
from reconciler.planning.saved import plan_body_digest
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.state.history import format_trailers
from reconciler.storage.object_store import ObjectStore


def open_providers(session: Session) -> Providers:
    """Open everything that an apply acts on."""
    return Providers(
        repository=session.workspace.repository,
        config=session.config,
        state_store=session.state_store,
        store=ObjectStore(session.store_path),
        builder=session.open_builder(),
        backends=session.open_backends(),
    )


def commit_trailers(session: Session, plan: str = "") -> str:
    """Return what ends the message of every commit of an apply; ``plan`` is the digest of the plan it follows."""
    return format_trailers(user_name(), session.source.commit, changed=session.source.dirty, plan=plan)


def keep_source(session: Session, source: SourceRevision) -> SourceRevision:
    """Keep the commit of a source reachable; a dirty tree becomes a commit that no branch has."""
    repository = session.workspace.repository
    if source.dirty:
        stored = repository.commit_tree(source.tree, source.commit, "mlgit apply --allow-dirty")
        source = replace(source, snapshot_commit=stored)
    session.state_store.pin_source_commit(source.effective_commit)
    return source


def apply_request(session: Session, desired: DesiredState, policy: Policy, planned: Plan) -> ApplyRequest:
    """Return what is to be brought about by doing a plan; the history of the live state names that plan."""
    return ApplyRequest(
        desired, policy, commit_trailers(session, plan_body_digest(plan_json.plan_body(planned, policy)))
    )


def apply_plan(  # noqa: PLR0913 - where, what, and who is told
    session: Session,
    here: Providers,
    wanted: ApplyRequest,
    approved: Plan,
    watch: ApplyListener,
    *,
    wait: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> ApplyResult:
    """Do an approved plan and what follows from it; with ``wait``, until every run has ended.

    Once it is ``stopping`` nothing more is begun: what is under way comes to its end and is recorded. Raises UserError
    where nothing can be done; an action that fails is in the result, and stops only what needs it.
    """
    source = keep_source(session, session.source)
    wanted = replace(wanted, desired=replace(wanted.desired, source=source))
    return apply_until_converged(here, wanted, approved, watch, wait=wait, is_stopping=stopping)
