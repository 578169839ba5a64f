"""Planning at the cost of what changed: the part of a workspace that is in question, or all of it and a note for later.

A plan of a part is shown only if nothing is wrong; else the whole is planned, which says everything that is.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.format.lowering import lowered
from reconciler.git.trees import MissingObjectError
from reconciler.live.reading import Current, touched
from reconciler.model import Live, Plan
from reconciler.planning import scope
from reconciler.planning.guard import guard
from reconciler.planning.outlook import standing
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose
from reconciler.source import index as indexes
from reconciler.source import portable
from reconciler.source import workspace as workspaces
from reconciler.source.index import Base, Index
from reconciler.source.narrowing import Narrow, narrow, rows
from reconciler.source.portable import Findings
from reconciler.source.uncollected import uncollected
from reconciler.workbench.findings import base_of, is_worth_sharing, keep, known, place_of
from reconciler.workbench.judging import examined, refuse
from reconciler.workbench.proposing import gone_back
from reconciler.workbench.session import Session, stern

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


@uncollected()
def share(session: Session) -> None:
    """After an apply, share what a plan finds out, so that a fresh clone plans at the cost of what has changed since.

    It is left where it would save nobody much; where the remote does not take it, that is noted and nothing is lost.
    """
    live = session.state.read()
    if not is_worth_sharing(session, live):
        return
    try:
        unbound = Policy(session.config, allow_submit=sys.maxsize, allow_mass_delete=True)  # nothing is done of it
        _, found = _whole(replace(session, judge=stern), live, unbound)
        if found is not None:
            keep(session, found)
            session.state.publish(portable.dump(found), session.source.tree)
    except UserError as error:
        session.note(f"what a plan finds out was not shared: {error.diagnostics[0].message}")


def _of_the_part(session: Session, live: Live, policy: Policy) -> Plan | None:
    base = base_of(session, live)
    index = known(session, base)
    if index is None:
        return None
    try:
        moved = touched(session.workspace.repository, index.base.state, base.state)
        part = narrow(session.workspace.repository, session.tree, session.config, index, moved)
        return _made(session, live, policy, part, index, base) if part else None
    except (sqlite3.Error, MissingObjectError):
        return None  # somebody deleted it meanwhile, or what it was made from is gone
    finally:
        index.close()


def _made(  # noqa: PLR0913, PLR0917 - what is planned, and with what it is remembered
    session: Session, live: Live, policy: Policy, part: Narrow, index: Index, base: Base
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
        new = rows(part.found, part.declared, quiet, part.settled, standing(live))
        base = replace(base, nested=index.base.nested)
        place = place_of(session)
        indexes.update(place, index.base, base, gone=part.looked_at, asked=part.addresses, rows=new, loose=remaining)
    return plan


def _of_the_whole(session: Session, live: Live, policy: Policy) -> Plan:
    plan, found = _whole(session, live, policy)
    if found is not None:
        keep(session, found)
    return plan


def _whole(session: Session, live: Live, policy: Policy) -> tuple[Plan, Findings | None]:
    """Plan everything; return what was found out, too, where that can be told of each file by itself."""
    declared, found = workspaces.read(session.tree, session.config)
    desired = workspaces.desired(session.workspace, session.source, session.tree, declared)
    problems = examined(desired, live)
    refuse(session, problems)
    plan, wrong = propose(desired, live, policy)
    said = (*wrong, *guard(plan, live, policy))
    refuse(session, said)
    if session.source.dirty or not _distinct(problems):
        return plan, None
    quiet = scope.settled(declared, live, plan, said)
    base = replace(base_of(session, live), nested=tuple(workspaces.nested_roots(session.tree)))
    new = rows(found, declared, quiet, {}, standing(live))
    return plan, Findings(base, new, tuple(scope.loose(declared, live.current)))


def _distinct(problems: Iterable[Diagnostic]) -> bool:
    return all(each.code != _ALIKE for each in problems)
