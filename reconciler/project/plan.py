"""The plan of a session: what apply would do, within the bounds that mlgit.yml and the policy set."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnostics import user_error
from reconciler.engine.refresh import check_store_id
from reconciler.format.suggest import did_you_mean
from reconciler.model import Observation, Plan, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy
from reconciler.project.check import report_diagnostics
from reconciler.project.session import Session
from reconciler.render.history import rollback_hold_lines
from reconciler.source.gc_pause import pause_gc
from reconciler.state.fast_forward import is_newer_than_rollback


@pause_gc()
def plan_session(session: Session, desired: DesiredState, live: State, policy: Policy, *, refresh: bool) -> Plan:
    """Plan, and have judged what the files, or the bounds in mlgit.yml, do not allow."""
    for address in sorted(policy.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), [str(address) for address in desired.declared.assets])
        raise user_error("address-unknown", f"{address} is not declared, so it cannot be done anew", hint)
    report_diagnostics(session, session.affinity_problems())
    observation = _fetch_observation(session, live) if refresh else None
    planned, problems = run_plan_pipeline(desired, live, policy, observation)
    report_diagnostics(session, (*problems, *guard_plan(planned, live, policy)))
    return replace(planned, notes=(*planned.notes, *rollback_notes(session, live)))


def rollback_notes(session: Session, live: State) -> tuple[str, ...]:
    """Say that somebody went back and what waits for that; nothing where the source is newer, which ends it."""
    newer = is_newer_than_rollback(session.workspace.repository, live, session.source)
    return () if newer else rollback_hold_lines(live.rollback)


def _fetch_observation(session: Session, live: State) -> Observation:
    check_store_id(live, session.open_backends(), session.store_path)
    return session.refresh_all(live)
