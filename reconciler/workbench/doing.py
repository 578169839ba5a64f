"""A plan of a session done: the world that it acts on opened, its source kept, what is done told to who watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.applying.converge import converge
from reconciler.applying.history import trailers
from reconciler.applying.job import Job, Result, Watch
from reconciler.applying.world import World
from reconciler.content.store import Store
from reconciler.git.repository import user
from reconciler.model import Plan, Source
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy
from reconciler.planning.saved import digest
from reconciler.render import as_json
from reconciler.workbench.session import Session


def world(session: Session) -> World:
    """Open everything that an apply acts on."""
    return World(
        local=session.workspace.local,
        repository=session.workspace.repository,
        config=session.config,
        state=session.state,
        store=Store(session.store),
        builder=session.builder(),
        backends=session.backends(),
    )


def title(session: Session, plan: str = "") -> str:
    """Return what ends the message of every commit of an apply; ``plan`` is the digest of the plan it follows."""
    return trailers(user(), session.source.commit, changed=session.source.dirty, plan=plan)


def keep(session: Session, source: Source) -> Source:
    """Keep the commit of a source reachable; a dirty tree becomes a commit that no branch has."""
    repository = session.workspace.repository
    if source.dirty:
        stored = repository.commit_tree(source.tree, source.commit, "mlgit apply --allow-dirty")
        source = replace(source, stored=stored)
    session.state.keep_source(source.kept)
    return source


def job(session: Session, desired: Desired, policy: Policy, planned: Plan) -> Job:
    """Return what is to be brought about by doing a plan; the history of the live state names that plan."""
    return Job(desired, policy, title(session, digest(as_json.body(planned, policy))))


def apply(  # noqa: PLR0913 - where, what, and who is told
    session: Session,
    here: World,
    wanted: Job,
    approved: Plan,
    watch: Watch,
    *,
    wait: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Do an approved plan and what follows from it; with ``wait``, until every run has ended.

    Once it is ``stopping`` nothing more is begun: what is under way comes to its end and is recorded. Raises UserError
    where nothing can be done; an action that fails is in the result, and stops only what needs it.
    """
    source = keep(session, session.source)
    wanted = replace(wanted, desired=replace(wanted.desired, source=source))
    return converge(here, wanted, approved, watch, wait=wait, stopping=stopping)
