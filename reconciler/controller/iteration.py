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

from reconciler.controller.policy import NO_DECISIONS, allowed_decisions, violations_by_address
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.engine.locking import release_stale_locks
from reconciler.engine.refresh import check_store_id, is_recorded_store, refresh_runs
from reconciler.engine.request import ApplyListener, ApplyRequest, ApplyResult
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git.upstream import TrackedRef, fetch_tracked_commit
from reconciler.model import Blocked, Plan, RunStatus, State
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import merge_observation
from reconciler.project.apply import apply_plan, apply_request, open_providers
from reconciler.project.check import load_desired, report_diagnostics
from reconciler.project.incremental import share_index
from reconciler.project.session import Session, open_session
from reconciler.source import workspace as workspaces
from reconciler.state.fast_forward import check_fast_forward, lift_rollback_hold

_ABBREV_LENGTH = 10
# What keeps the newest commit from being applied, and is a person's decision: nothing is wrong then.
HOLD_CODES = frozenset({"rolled-back", "apply-rewinds"})
# Another was quicker: the next turn goes by what that one has made.
RACE_CODES = frozenset({"plan-stale", "applied-meanwhile", "lock-lost", "state-conflict", "state-busy"})


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

    return open_session(place.folder, commit, target=place.target, judge=judge, note=watcher.on_note)


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
        policy = Policy(session.config)
        for each in check_fast_forward(
            session.workspace.repository, live, session.source, allow_rewind=policy.allow_rewind
        ):
            watcher.on_note(each)
        return _plan_and_apply(session, live, policy, watcher, stopping)
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
        return _plan_and_apply(session, live, Policy(session.config), watcher, stopping, decide=False)
    except UserError as error:
        return IterationResult(errors=_send_diagnostics(watcher, error.diagnostics))


def _plan_and_apply(  # noqa: PLR0913 - what, within which bounds, and who is told
    session: Session,
    live: State,
    policy: Policy,
    watcher: ControllerListener,
    stopping: Callable[[], bool],
    *,
    decide: bool = True,
) -> IterationResult:
    report_diagnostics(session, session.affinity_problems())
    desired = load_desired(session, live)
    plan, policy, stops = _plan_without_protected(session, desired, live, policy)
    may = (
        allowed_decisions(plan, live, policy, session.state_store.runs_of, datetime.now(UTC))
        if decide
        else NO_DECISIONS
    )
    stops = _send_diagnostics(watcher, (*stops, *may.stop_reasons)) if decide else ()
    failed = (f"{blocked.address}: {blocked.message}" for blocked in plan.blocked if blocked.failed)
    for note in (*plan.notes, *map(str, plan.drift), *failed):
        watcher.on_note(note)
    wanted = replace(apply_request(session, desired, policy, plan), allowed_keys=may.keys)
    approved = replace(plan, actions=tuple(action for action in plan.actions if wanted.is_allowed(action)))
    found = IterationResult(session.source.commit, None, (), stops, plan.blocked, len(plan.drift))
    if not any(action.known_after is None for action in approved.actions):
        _clean_up(session, live, policy, wanted, watcher)
        return found
    result = apply_plan(session, open_providers(session), wanted, approved, watcher, stopping=stopping)
    if not stopping():
        share_index(session)
    return replace(found, apply_result=result, pending=result.pending)


def _plan_without_protected(
    session: Session, desired: DesiredState, live: State, policy: Policy
) -> tuple[Plan, Policy, tuple[Diagnostic, ...]]:
    """Look at the world and plan; what would be done to something protected is left out, and said."""
    check_store_id(live, session.open_backends(), session.store_path)
    seen = session.refresh_all(live)
    plan, problems = run_plan_pipeline(desired, live, policy, seen)
    spared = tuple(violations_by_address(plan, policy))
    if spared:
        policy = replace(policy, exclude=tuple(dict.fromkeys(str(address) for address, _ in spared)))
        plan, problems = run_plan_pipeline(desired, live, policy, seen)
    report_diagnostics(session, problems)
    return plan, policy, tuple(found for _, found in spared)


def _clean_up(session: Session, live: State, policy: Policy, wanted: ApplyRequest, watcher: ControllerListener) -> None:
    """Do what belongs to an apply with nothing to do: end a hold that is over, and claims that nobody holds."""
    lift_rollback_hold(session.state_store, live, session.source, wanted.trailers, allow_rewind=policy.allow_rewind)
    for lock in release_stale_locks(session.state_store, session.config.lease):
        watcher.on_note(f"ended the claims of {lock}: that apply is no more")


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
