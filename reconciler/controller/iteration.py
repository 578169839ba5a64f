"""One turn of the controller: fetch, look, do what may be done unasked, and tell what is left to others.

Where the newest commit may not be applied (it is wrong, or was rolled back, or does not follow what was applied
last), what was applied last is brought to its end, and nothing new is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from reconciler.controller.policy import NO_DECISIONS, allowed_decisions
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.engine.refresh import is_recorded_store, refresh_runs
from reconciler.engine.request import ApplyListener, ApplyResult
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git.upstream import TrackedRef, fetch_tracked_commit
from reconciler.model import Blocked, Plan, RunStatus, State
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import merge_observation
from reconciler.project.apply import apply_plan, finish_without_actions, open_providers
from reconciler.project.incremental import share_index
from reconciler.project.prepare import AllowedDecisions, ApplyOptions, prepare_apply
from reconciler.project.session import Session, open_session
from reconciler.source import workspace as workspaces

_ABBREV_LENGTH = 10
# What keeps the newest commit from being applied, and is a person's decision: nothing is wrong then.
HOLD_CODES = frozenset({"rolled-back", "apply-rewinds"})
# Another was quicker: the next turn goes by what that one has made.
RACE_CODES = frozenset({"plan-stale", "applied-meanwhile", "claim-lost", "state-conflict", "state-busy"})


class ControllerListener(ApplyListener, Protocol):
    """Who looks on: at what an apply does, at what is wrong or left to people, and at how each turn ends."""

    def on_diagnostic(self, found: Diagnostic) -> None: ...

    def on_iteration_end(self, outcome: IterationResult) -> None: ...


@dataclass(frozen=True, slots=True)
class IterationResult:
    """What came of a turn: the commit that was followed, what was done, and what was not, with the reasons.

    ``wrong`` is what made the turn fail, ``stops`` what is left for a person to decide; ``outrun`` says that another
    was quicker, so that this turn was broken off. ``runs`` counts the newest run of each job by its status, None where
    that could not be seen.
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
        """Tell whether the turn should be tried again later rather than sooner."""
        return bool(self.errors or (self.apply_result and self.apply_result.failed))

    @property
    def exit_code(self) -> int:
        """The exit code that an apply would have: 1 where something failed, or is not done."""
        left = self.apply_result and (self.apply_result.failed_runs or self.apply_result.locked_out)
        return int(bool(self.has_failed or self.stop_reasons or self.lost_race or left))


@dataclass(frozen=True, slots=True)
class ReconcileTarget:
    """Where a controller works: in which folder, for which target, and what it follows."""

    folder: Path
    tracked_ref: TrackedRef
    target: str


def run_iteration(place: ReconcileTarget, watcher: ControllerListener, stopping: Callable[[], bool]) -> IterationResult:
    """Take one turn. What is wrong is in the outcome, and was told; only a bug or an interrupt raises."""
    try:
        commit = _fetch_newest_commit(place)
        watcher.on_note(f"{place.tracked_ref} is at {commit[:_ABBREV_LENGTH]}")
        with _open_session_at(place, commit, watcher) as session:
            outcome = _reconcile_newest(place, session, watcher, stopping)
            return replace(outcome, run_counts=_count_runs(session))
    except UserError as error:
        return IterationResult(errors=_send_diagnostics(watcher, error.diagnostics))


def _fetch_newest_commit(place: ReconcileTarget) -> str:
    workspace = workspaces.find_workspace(place.folder)
    try:
        return fetch_tracked_commit(workspace.repository, place.tracked_ref)
    finally:
        workspace.repository.close()


def _open_session_at(place: ReconcileTarget, commit: str, watcher: ControllerListener) -> Session:
    def judge(_tree: object, problems: Sequence[Diagnostic]) -> None:
        errors = [diagnostic for diagnostic in problems if diagnostic.severity is Severity.ERROR]
        for diagnostic in problems:
            if diagnostic.severity is not Severity.ERROR:
                watcher.on_diagnostic(diagnostic)
        if errors:
            raise UserError(*errors)

    return open_session(place.folder, commit, target=place.target, on_diagnostics=judge, on_note=watcher.on_note)


def _send_diagnostics(watcher: ControllerListener, problems: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    for diagnostic in problems:
        watcher.on_diagnostic(diagnostic)
    return tuple(problems)


def _reconcile_newest(
    place: ReconcileTarget, session: Session, watcher: ControllerListener, stopping: Callable[[], bool]
) -> IterationResult:
    """Do what the newest commit asks for; where it may not be applied, what the one before it left undone."""
    session.state_store.ref_store.fetch()
    live, commit = session.state_store.read(), session.source.commit
    try:
        return _plan_and_apply(session, live, watcher, stopping)
    except UserError as error:
        problems = _send_diagnostics(watcher, error.diagnostics)
    codes = {diagnostic.code for diagnostic in problems}
    if codes <= RACE_CODES:
        return IterationResult(commit, lost_race=True)
    before = IterationResult(commit)
    if live.applied_commit not in ("", commit):
        with _open_session_at(place, live.applied_commit, watcher) as older:
            before = replace(_advance_only(older, live, watcher, stopping), commit=commit)
    return (
        replace(before, stop_reasons=problems)
        if codes <= HOLD_CODES
        else replace(before, errors=(*problems, *before.errors))
    )


def _advance_only(
    session: Session, live: State, watcher: ControllerListener, stopping: Callable[[], bool]
) -> IterationResult:
    """Bring to its end what was decided before, and decide nothing."""
    try:
        return _plan_and_apply(session, live, watcher, stopping, decide=False)
    except UserError as error:
        return IterationResult(errors=_send_diagnostics(watcher, error.diagnostics))


def _plan_and_apply(
    session: Session, live: State, watcher: ControllerListener, stopping: Callable[[], bool], *, decide: bool = True
) -> IterationResult:
    def limit_decisions(plan: Plan, state: State, policy: Policy) -> AllowedDecisions:
        if not decide:
            return NO_DECISIONS
        return allowed_decisions(plan, state, policy, session.state_store.runs_of, datetime.now(UTC))

    prepared = prepare_apply(session, ApplyOptions(Policy(session.config), live, limit_decisions=limit_decisions))
    plan = prepared.plan
    stops = _send_diagnostics(watcher, prepared.stop_reasons) if decide else ()
    failed = (f"{blocked.address}: {blocked.message}" for blocked in plan.blocked if blocked.failed)
    for note in (*prepared.annotated_plan.notes, *map(str, plan.drift), *failed):
        watcher.on_note(note)
    result = IterationResult(session.source.commit, None, (), stops, plan.blocked, len(plan.drift))
    if not any(action.known_after is None for action in plan.actions):
        for lock in finish_without_actions(session, prepared):
            watcher.on_note(f"released the locks of {lock}: that apply has ended")
        return result
    apply_result = apply_plan(session, open_providers(session), prepared, watcher, stopping=stopping)
    if not stopping():
        share_index(session)
    return replace(result, apply_result=apply_result, pending=apply_result.pending)


def _count_runs(session: Session) -> Counter[RunStatus]:
    """Count the newest run of each job as the backends have it now."""
    live = session.state_store.read()
    live = (
        merge_observation(live, refresh_runs(live, session.open_backends()))[0]
        if is_recorded_store(live, session.store_path)
        else live
    )
    found: Counter[RunStatus] = Counter()
    for address in live.current:
        if address.kind in kinds() and kind_by_name(address.kind).is_runnable:
            record = live.current[address]
            run = live.find_run(address, record.latest) if record.latest else None
            found.update([run.status] if run else ())
    return found
