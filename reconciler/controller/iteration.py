"""One iteration of the controller: fetch, refresh, plan, apply what the limits allow, and report what needs a person.

If the newest commit may not be applied, because it is invalid, was rolled back, or does not follow the commit that was
applied last, then the runs of that last commit are recorded, and nothing new is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.engine.request import ApplyListener, ApplyResult
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git.upstream import TrackedRef, fetch_tracked_commit
from reconciler.model import Blocked, Observation, RunStatus, State
from reconciler.planning.options import PlanOptions
from reconciler.planning.refresh import merge_observation
from reconciler.project.apply import apply_plan, finish_without_actions
from reconciler.project.incremental import share_index
from reconciler.project.prepare import ApplyOptions, Approver, prepare_apply
from reconciler.project.session import Session, open_session
from reconciler.source.workspace import find_workspace

# The newest commit may not be applied without a person's decision; that is no failure.
HOLD_CODES = frozenset({"rolled-back", "apply-rewinds"})
# Another apply was faster; the next iteration starts from what it wrote.
RACE_CODES = frozenset({"plan-stale", "applied-meanwhile", "lock-lost", "state-conflict", "state-busy"})


class ControllerListener(ApplyListener, Protocol):
    """Receives what an apply reports, and the diagnostics and the result of each iteration."""

    def on_diagnostic(self, diagnostic: Diagnostic) -> None: ...

    def on_iteration_end(self, result: IterationResult) -> None: ...


@dataclass(frozen=True, slots=True)
class IterationResult:
    """The result of an iteration: the newest commit, what was applied, and what was not.

    ``errors`` made the iteration fail, ``stop_reasons`` need a person's decision. ``lost_race`` is True if another
    apply was faster. ``run_counts`` counts the newest run of each job by its status, None if that is unknown.
    """

    commit: str = ""
    apply_result: ApplyResult | None = None
    errors: tuple[Diagnostic, ...] = ()
    stop_reasons: tuple[Diagnostic, ...] = ()
    pending: tuple[Blocked, ...] = ()
    drift_count: int = 0
    lost_race: bool = False
    run_counts: Mapping[RunStatus, int] | None = None

    @property
    def has_failed(self) -> bool:
        """True if the controller should wait longer before the next iteration."""
        return bool(self.errors or (self.apply_result and self.apply_result.failed))

    @property
    def exit_code(self) -> int:
        """The exit code, as of an apply: 1 if something failed or is not done."""
        unfinished = self.apply_result and (self.apply_result.failed_runs or self.apply_result.locked_out)
        return int(bool(self.has_failed or self.stop_reasons or self.lost_race or unfinished))


@dataclass(frozen=True, slots=True)
class ReconcileTarget:
    """The workspace folder, the ref to follow, and the target of mlgit.yml to reconcile."""

    folder: Path
    tracked_ref: TrackedRef
    target: str


def run_iteration(
    target: ReconcileTarget, listener: ControllerListener, is_stopping: Callable[[], bool]
) -> IterationResult:
    """Run one iteration. Errors of the user are reported and in the result; only bugs and interrupts raise."""
    try:
        commit = _fetch_newest_commit(target)
        listener.on_note(f"{target.tracked_ref} is at {abbreviate_id(commit)}")
        with _open_session_at(target, commit, listener) as session:
            result = _reconcile_newest(target, session, listener, is_stopping)
            return replace(result, run_counts=_count_runs(session))
    except UserError as error:
        return IterationResult(errors=_report_diagnostics(listener, error.diagnostics))


def _fetch_newest_commit(target: ReconcileTarget) -> str:
    workspace = find_workspace(target.folder)
    try:
        return fetch_tracked_commit(workspace.repository, target.tracked_ref)
    finally:
        workspace.repository.close()


def _open_session_at(target: ReconcileTarget, commit: str, listener: ControllerListener) -> Session:
    def on_diagnostics(_tree: object, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
        for diagnostic in diagnostics:
            if diagnostic.severity is not Severity.ERROR:
                listener.on_diagnostic(diagnostic)
        if errors:
            raise UserError(*errors)

    session = open_session(
        target.folder, commit, target=target.target, on_diagnostics=on_diagnostics, on_note=listener.on_note
    )
    session.take_secrets()
    return session


def _report_diagnostics(listener: ControllerListener, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    for diagnostic in diagnostics:
        listener.on_diagnostic(diagnostic)
    return tuple(diagnostics)


def _reconcile_newest(
    target: ReconcileTarget, session: Session, listener: ControllerListener, is_stopping: Callable[[], bool]
) -> IterationResult:
    """Apply the newest commit; if it may not be applied, record the runs of the commit that was applied last."""
    session.state_store.ref_store.fetch()
    state, commit = session.state_store.read(), session.source.commit
    try:
        return _plan_and_apply(session, state, listener, is_stopping)
    except UserError as error:
        diagnostics = _report_diagnostics(listener, error.diagnostics)
    codes = {diagnostic.code for diagnostic in diagnostics}
    if codes <= RACE_CODES:
        return IterationResult(commit, lost_race=True)
    result = IterationResult(commit)
    if state.applied_commit not in ("", commit):
        with _open_session_at(target, state.applied_commit, listener) as applied_session:
            result = replace(_record_advances(applied_session, state, listener, is_stopping), commit=commit)
    if codes <= HOLD_CODES:
        return replace(result, stop_reasons=diagnostics)
    return replace(result, errors=(*diagnostics, *result.errors))


def _record_advances(
    session: Session, state: State, listener: ControllerListener, is_stopping: Callable[[], bool]
) -> IterationResult:
    """Record what follows from earlier decisions, and decide nothing."""
    try:
        return _plan_and_apply(session, state, listener, is_stopping, approver=Approver.NOBODY)
    except UserError as error:
        return IterationResult(errors=_report_diagnostics(listener, error.diagnostics))


def _plan_and_apply(
    session: Session,
    state: State,
    listener: ControllerListener,
    is_stopping: Callable[[], bool],
    *,
    approver: Approver = Approver.LIMITS,
) -> IterationResult:
    prepared = prepare_apply(session, ApplyOptions(PlanOptions(session.config), state, approver=approver))
    plan = prepared.plan
    stop_reasons = _report_diagnostics(listener, (*prepared.stop_reasons, *plan.refusals))
    failed = (
        f"{blocked.address}: {blocked.message}" for blocked in plan.blocked if blocked.failed and not blocked.refusals
    )
    for note in (*prepared.annotated_plan.notes, *map(str, plan.drift), *failed):
        listener.on_note(note)
    result = IterationResult(session.source.commit, None, (), stop_reasons, plan.blocked, len(plan.drift))
    if not any(action.known_after is None for action in plan.actions):
        for lock in finish_without_actions(session, prepared):
            listener.on_note(f"released the lock of {lock}: that apply has ended")
        return result
    apply_result = apply_plan(session, prepared, listener, stopping=is_stopping)
    if not is_stopping():
        share_index(session)
    return replace(result, apply_result=apply_result, pending=apply_result.pending)


def _count_runs(session: Session) -> Counter[RunStatus]:
    """Count the newest run of each job by its status, as the backends report it now."""
    state = session.state_store.read()
    state, _ = merge_observation(state, session.observe_runs(state) or Observation())
    counts: Counter[RunStatus] = Counter()
    for address, record in state.current.items():
        if record.latest and address.kind in kinds() and kind_by_name(address.kind).is_runnable:
            run = state.find_run(address, record.latest)
            counts.update([run.status] if run else ())
    return counts
