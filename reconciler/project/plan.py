"""Plan a session: what apply would do, within the limits of mlgit.yml and the options."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Plan, State
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import plan_within_limits
from reconciler.planning.plan import PlanInputs
from reconciler.project.binding_checks import unset_secret_notes
from reconciler.project.check import load_desired, narrow_desired, report_diagnostics, report_refusals
from reconciler.project.destroy import desire_nothing
from reconciler.project.incremental import is_incremental_possible, plan_incrementally
from reconciler.project.session import Session
from reconciler.render.history import rollback_hold_lines
from reconciler.source.gc_pause import pause_gc
from reconciler.state.fast_forward import check_fast_forward, is_newer_than_rollback

_NOT_REFRESHED_NOTE = "run status is as last recorded; a run that has ended is recorded, not canceled: use --refresh"


@pause_gc()
def make_plan(session: Session, state: State, plan_options: PlanOptions, *, refresh: bool) -> tuple[Plan, str]:
    """Return the plan, and why apply would refuse it ("" if it would not); read only what changed if possible."""
    if refresh or not is_incremental_possible(state, plan_options):
        inputs = read_plan_inputs(session, state, plan_options, refresh=refresh)
        _, plan, diagnostics = plan_needed_part(session, inputs)
        report_diagnostics(session, diagnostics)
    else:
        plan = plan_incrementally(session, state, plan_options)
    report_refusals(session, plan)
    for note in dict.fromkeys(unset_secret_notes(session.config, plan.actions)):
        session.on_note(note)
    refusal, notes = _check_fast_forward(session, plan_options, state)
    if plan.cancels and not refresh:
        notes = (*notes, _NOT_REFRESHED_NOTE)
    notes = (*rollback_notes(session, state), *notes)
    return plan._replace(notes=(*plan.notes, *notes)), refusal


@pause_gc()
def read_plan_inputs(session: Session, state: State, plan_options: PlanOptions, *, refresh: bool) -> PlanInputs:
    """Load the files and, with ``refresh``, ask all providers; raise UserError if the plan could not be right."""
    desired = desire_nothing(session, state) if plan_options.destroy else load_desired(session, state, plan_options)
    return PlanInputs(desired, state, plan_options, session.observe_providers(state) if refresh else None)


def plan_needed_part(session: Session, inputs: PlanInputs) -> tuple[PlanInputs, Plan, tuple[Diagnostic, ...]]:
    """Return what was planned, the plan and its diagnostics.

    If a part is asked for and the plan of all finds an error elsewhere, that part is planned.
    """
    plan, diagnostics = plan_within_limits(inputs)
    narrowed, kept = narrow_desired(session, inputs.desired, inputs.state, diagnostics, inputs.plan_options)
    if narrowed is inputs.desired or kept == diagnostics:
        return inputs, plan, diagnostics
    notes = (*inputs.desired.notes, *narrowed.notes)
    inputs = inputs._replace(desired=narrowed._replace(notes=notes))
    return inputs, *plan_within_limits(inputs)


def rollback_notes(session: Session, state: State) -> tuple[str, ...]:
    """Return who rolled back and what that holds off; nothing if the source is newer, which ends the hold."""
    newer = is_newer_than_rollback(session.workspace.repository, state, session.source)
    return () if newer else rollback_hold_lines(state.rollback)


def _check_fast_forward(session: Session, plan_options: PlanOptions, state: State) -> tuple[str, tuple[str, ...]]:
    """Return why the commit may not be applied, "" if it may, and notes; a commit on top of a rolled back one may."""
    try:
        return "", check_fast_forward(
            session.workspace.repository, state, session.source, allow_rewind=plan_options.allow_rewind
        )
    except UserError as error:
        (diagnostic,) = error.diagnostics
        superseded_by_commit = session.source.dirty and diagnostic.code == "rolled-back"
        return "" if superseded_by_commit else f"{diagnostic.message}; {diagnostic.hint}", ()
