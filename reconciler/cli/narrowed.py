"""Planning at the cost of what changed: the part of a workspace that is in question, or all of it and a note for later.

A plan of a part is shown only if nothing is wrong; else the whole is planned, which says everything that is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reconciler.cli.session import Session, examined, refuse
from reconciler.data import code
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.config import FILE
from reconciler.format.lowering import lowered
from reconciler.git.trees import MissingObjectError
from reconciler.live.reading import Current, touched
from reconciler.model import Live, Plan
from reconciler.planning import scope
from reconciler.planning.guard import guard
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose
from reconciler.source import index as indexes
from reconciler.source import workspace as workspaces
from reconciler.source.index import Base, Index
from reconciler.source.narrowing import Narrow, narrow, rows
from reconciler.source.uncollected import uncollected
from reconciler.workbench.proposing import gone_back

_ALIKE = "address-alike"  # between files: to know of one, all must be known


@uncollected()
def planned(session: Session, live: Live, policy: Policy) -> Plan:
    """Plan what the files declare, and refuse what they, or the bounds in mlgit.yml, do not allow."""
    refuse(session, session.unshared())
    plan = _of_the_part(session, live, policy) or _of_the_whole(session, live, policy)
    return replace(plan, notes=(*plan.notes, *gone_back(session, live)))


def fits(live: Live, policy: Policy) -> bool:
    """Tell whether a plan can be made of a part: there is a live state, and nothing is asked for beyond the usual."""
    return bool(live.commit) and not (policy.replace or policy.select or policy.exclude)


def _of_the_part(session: Session, live: Live, policy: Policy) -> Plan | None:
    path, base = _place(session), _base(session, live)
    index = indexes.load(path, base.key)
    if index is None:
        return None
    try:
        moved = touched(session.workspace.repository, index.base.state, base.state)
        part = narrow(session.workspace.repository, session.tree, session.config, index, moved)
        return _made(session, live, policy, part, path, index, base) if part else None
    except (sqlite3.Error, MissingObjectError):
        return None  # somebody deleted it meanwhile, or what it was made from is gone
    finally:
        index.close()


def _made(  # noqa: PLR0913, PLR0917 - what is planned, and with what it is remembered
    session: Session, live: Live, policy: Policy, part: Narrow, path: Path, index: Index, base: Base
) -> Plan | None:
    desired = workspaces.desired(session.workspace, session.source, session.tree, part.declared)
    desired = replace(desired, settled=part.settled)
    if isinstance(live.current, Current):
        live.current.fetch(part.addresses)
    around = replace(live, current=scope.part(live.current, part.addresses))
    problems = examined(desired, around)
    if has_errors(lowered(problems, session.config.rules)):
        return None
    plan, found = propose(desired, around, policy)
    if has_errors(lowered(found, session.config.rules)):
        return None
    said = (*found, *guard(plan, live, policy))
    refuse(session, problems)
    refuse(session, said)
    if not session.source.dirty and _distinct(problems):
        quiet = scope.settled(part.declared, live, plan, said)
        remaining = scope.loose(part.declared, around.current)
        new = rows(part.found, part.declared, quiet, part.settled)
        base = replace(base, nested=index.base.nested)
        indexes.update(path, index.base, base, gone=part.looked_at, asked=part.addresses, rows=new, loose=remaining)
    return plan


def _of_the_whole(session: Session, live: Live, policy: Policy) -> Plan:
    declared, found = workspaces.read(session.tree, session.config)
    desired = workspaces.desired(session.workspace, session.source, session.tree, declared)
    problems = examined(desired, live)
    refuse(session, problems)
    plan, wrong = propose(desired, live, policy)
    said = (*wrong, *guard(plan, live, policy))
    refuse(session, said)
    if not session.source.dirty and _distinct(problems):
        quiet = scope.settled(declared, live, plan, said)
        base = replace(_base(session, live), nested=tuple(workspaces.nested_roots(session.tree)))
        indexes.save(_place(session), base, rows(found, declared, quiet, {}), scope.loose(declared, live.current))
    return plan


def _distinct(problems: Iterable[Diagnostic]) -> bool:
    return all(each.code != _ALIKE for each in problems)


def _base(session: Session, live: Live) -> Base:
    """Return what an index of this plan would hold for."""
    config = session.tree.entries[session.tree.root + FILE].oid
    key = f"{code()} {config} {session.config.target} {live.lineage}"
    return Base(key, session.source.tree, session.workspace.repository.tree_of(live.commit))


def _place(session: Session) -> Path:
    """Return the file of the index: one for each workspace and each of its live states."""
    name = hashlib.sha256(f"{session.tree.root}\0{session.state.ref}".encode()).hexdigest()[:16]
    return session.workspace.local / "plans" / f"{name}.sqlite"
