"""Plan a session: what apply would do, within the limits of mlgit.yml and the options."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.refresh import check_store_id
from reconciler.format.suggest import did_you_mean
from reconciler.model import Observation, Plan, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy
from reconciler.project.check import load_desired, report_diagnostics
from reconciler.project.incremental import is_incremental_possible, plan_incrementally
from reconciler.project.refresh import observe_all, open_backends
from reconciler.project.rollback import rollback_notes
from reconciler.project.session import Session
from reconciler.source.gc_pause import pause_gc
from reconciler.state.fast_forward import check_fast_forward

_NOT_REFRESHED_NOTE = "run status is as last recorded; a run that has ended is recorded, not canceled: use --refresh"


def make_plan(session: Session, state: State, policy: Policy, *, refresh: bool) -> tuple[Plan, str]:
    """Return the plan, and why apply would refuse it ("" if it would not); read only what changed if possible."""
    if refresh or not is_incremental_possible(state, policy):
        plan = plan_session(session, load_desired(session, state), state, policy, refresh=refresh)
    else:
        plan = plan_incrementally(session, state, policy)
    refusal, notes = _check_fast_forward(session, policy, state)
    if plan.cancels and not refresh:
        notes = (*notes, _NOT_REFRESHED_NOTE)
    return replace(plan, notes=(*plan.notes, *notes)), refusal


@pause_gc()
def plan_session(session: Session, desired: DesiredState, state: State, policy: Policy, *, refresh: bool) -> Plan:
    """Plan all assets; raise UserError if the files, or the limits of mlgit.yml, do not allow the plan."""
    for address in sorted(policy.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), list(map(str, desired.declared.assets)))
        raise user_error("address-unknown", f"cannot replace {address}: it is not declared", hint)
    report_diagnostics(session, session.affinity_diagnostics())
    observation = observe_providers(session, state) if refresh else None
    plan, diagnostics = run_plan_pipeline(desired, state, policy, observation)
    report_diagnostics(session, (*diagnostics, *guard_plan(plan, state, policy)))
    return replace(plan, notes=(*plan.notes, *rollback_notes(session, state)))


def observe_providers(session: Session, state: State) -> Observation:
    """Refresh from all providers; raise UserError if the store is not the one that the state belongs to."""
    check_store_id(state, open_backends(session), session.store_path)
    return observe_all(session, state)


def _check_fast_forward(session: Session, policy: Policy, state: State) -> tuple[str, tuple[str, ...]]:
    """Return why the commit may not be applied, "" if it may, and notes; a commit on top of a rolled back one may."""
    try:
        return "", check_fast_forward(
            session.workspace.repository, state, session.source, allow_rewind=policy.allow_rewind
        )
    except UserError as error:
        (diagnostic,) = error.diagnostics
        superseded_by_commit = session.source.dirty and diagnostic.code == "rolled-back"
        return "" if superseded_by_commit else f"{diagnostic.message}; {diagnostic.hint}", ()
