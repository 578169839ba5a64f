"""The plan of a session: what apply would do, within the bounds that mlgit.yml and the policy set."""

from __future__ import annotations

from dataclasses import replace

from reconciler.applying.rewind import is_newer
from reconciler.diagnostics import failure
from reconciler.format.suggest import did_you_mean
from reconciler.model import Live, Observation, Plan
from reconciler.observe import check_store
from reconciler.planning.guard import guard
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose
from reconciler.render.history import rolled_back
from reconciler.source.uncollected import uncollected
from reconciler.workbench.judging import refuse
from reconciler.workbench.session import Session


@uncollected()
def made(session: Session, desired: Desired, live: Live, policy: Policy, *, refresh: bool) -> Plan:
    """Plan, and have judged what the files, or the bounds in mlgit.yml, do not allow."""
    for address in sorted(policy.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), [str(each) for each in desired.declared.assets])
        raise failure("address-unknown", f"{address} is not declared, so it cannot be done anew", hint)
    refuse(session, session.unshared())
    observation = _seen(session, live) if refresh else None
    planned, problems = propose(desired, live, policy, observation)
    refuse(session, (*problems, *guard(planned, live, policy)))
    return replace(planned, notes=(*planned.notes, *gone_back(session, live)))


def gone_back(session: Session, live: Live) -> tuple[str, ...]:
    """Say that somebody went back and what waits for that; nothing where the source is newer, which ends it."""
    newer = is_newer(session.workspace.repository, live, session.source)
    return () if newer else rolled_back(live.rollback)


def _seen(session: Session, live: Live) -> Observation:
    check_store(live, session.backends(), session.store)
    return session.observed(live)
