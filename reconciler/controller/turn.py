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

from reconciler.applying.claiming import sweep
from reconciler.applying.job import Job, Result, Watch
from reconciler.applying.rewind import check_rewind, lift
from reconciler.controller.restraint import NOTHING, allowed, protected
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.format.kinds import kind_named, kinds
from reconciler.git.following import Followed, newest
from reconciler.model import Live, Pending, Plan, Status
from reconciler.observe import check_store, is_here, observe
from reconciler.planning.observed import fold
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose
from reconciler.source import workspace as workspaces
from reconciler.workbench.doing import apply, job, world
from reconciler.workbench.judging import checked, refuse
from reconciler.workbench.narrowed import share
from reconciler.workbench.session import Session, open_session

_SHORT = 10
# What keeps the newest commit from being applied, and is a person's decision: nothing is wrong then.
HOLDS = frozenset({"rolled-back", "apply-rewinds"})
# Another was quicker: the next turn goes by what that one has made.
RACES = frozenset({"plan-stale", "applied-meanwhile", "claim-lost", "state-conflict", "state-busy"})


class Watcher(Watch, Protocol):
    """Who looks on: at what an apply does, at what is wrong or left to people, and at how each turn ends."""

    def problem(self, found: Diagnostic) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a turn: the commit that was followed, what was done, and what was not, with the reasons.

    ``wrong`` is what made the turn fail, ``stops`` what is left for a person to decide; ``outrun`` says that another
    was quicker, so that this turn was broken off. ``runs`` counts the newest run of each job by its status, None where
    that could not be seen.
    """

    commit: str = ""
    result: Result | None = None
    wrong: tuple[Diagnostic, ...] = ()
    stops: tuple[Diagnostic, ...] = ()
    pending: tuple[Pending, ...] = ()
    drift: int = 0
    outrun: bool = False
    runs: Mapping[Status, int] | None = None

    @property
    def failed(self) -> bool:
        """Tell whether the turn should be tried again later rather than sooner."""
        return bool(self.wrong or (self.result and self.result.failed))

    @property
    def code(self) -> int:
        """The exit code that an apply would have: 1 where something failed, or is not done."""
        left = self.result and (self.result.broken or self.result.barred)
        return int(bool(self.failed or self.stops or self.outrun or left))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a controller works: in which folder, for which target, and what it follows."""

    folder: Path
    followed: Followed
    target: str


def turn(place: Place, watcher: Watcher, stopping: Callable[[], bool]) -> Outcome:
    """Take one turn. What is wrong is in the outcome, and was told; only a bug or an interrupt raises."""
    try:
        commit = _newest(place)
        watcher.note(f"{place.followed} is at {commit[:_SHORT]}")
        with _opened(place, commit, watcher) as session:
            outcome = _taken(place, session, watcher, stopping)
            return replace(outcome, runs=_runs(session))
    except UserError as error:
        return Outcome(wrong=_told(watcher, error.diagnostics))


def _newest(place: Place) -> str:
    workspace = workspaces.find(place.folder)
    try:
        return newest(workspace.repository, place.followed)
    finally:
        workspace.repository.close()


def _opened(place: Place, commit: str, watcher: Watcher) -> Session:
    def judge(_tree: object, problems: Sequence[Diagnostic]) -> None:
        errors = [each for each in problems if each.severity is Severity.ERROR]
        for each in problems:
            if each.severity is not Severity.ERROR:
                watcher.problem(each)
        if errors:
            raise UserError(*errors)

    return open_session(place.folder, commit, target=place.target, judge=judge, note=watcher.note)


def _told(watcher: Watcher, problems: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    for each in problems:
        watcher.problem(each)
    return tuple(problems)


def _taken(place: Place, session: Session, watcher: Watcher, stopping: Callable[[], bool]) -> Outcome:
    """Do what the newest commit asks for; where it may not be applied, what the one before it left undone."""
    session.state.home.refresh()
    live, commit = session.state.read(), session.source.commit
    try:
        policy = Policy(session.config)
        for each in check_rewind(session.workspace.repository, live, session.source, policy):
            watcher.note(each)
        return _done(session, live, policy, watcher, stopping)
    except UserError as error:
        problems = _told(watcher, error.diagnostics)
    codes = {each.code for each in problems}
    if codes <= RACES:
        return Outcome(commit, outrun=True)
    before = Outcome(commit)
    if live.applied not in ("", commit):
        with _opened(place, live.applied, watcher) as older:
            before = replace(_advanced(older, live, watcher, stopping), commit=commit)
    return replace(before, stops=problems) if codes <= HOLDS else replace(before, wrong=(*problems, *before.wrong))


def _advanced(session: Session, live: Live, watcher: Watcher, stopping: Callable[[], bool]) -> Outcome:
    """Bring to its end what was decided before, and decide nothing."""
    try:
        return _done(session, live, Policy(session.config), watcher, stopping, decide=False)
    except UserError as error:
        return Outcome(wrong=_told(watcher, error.diagnostics))


def _done(  # noqa: PLR0913 - what, within which bounds, and who is told
    session: Session, live: Live, policy: Policy, watcher: Watcher, stopping: Callable[[], bool], *, decide: bool = True
) -> Outcome:
    refuse(session, session.unshared())
    desired = checked(session, live)
    plan, policy, stops = _planned(session, desired, live, policy)
    may = allowed(plan, live, policy, session.state.runs_of, datetime.now(UTC)) if decide else NOTHING
    stops = _told(watcher, (*stops, *may.stops)) if decide else ()
    failed = (f"{each.address}: {each.message}" for each in plan.pending if each.failed)
    for note in (*plan.notes, *map(str, plan.drift), *failed):
        watcher.note(note)
    wanted = replace(job(session, desired, policy, plan), among=may.keys)
    approved = replace(plan, actions=tuple(each for each in plan.actions if wanted.allows(each)))
    found = Outcome(session.source.commit, None, (), stops, plan.pending, len(plan.drift))
    if not any(each.known_after is None for each in approved.actions):
        _tidied(session, live, policy, wanted, watcher)
        return found
    result = apply(session, world(session), wanted, approved, watcher, stopping=stopping)
    if not stopping():
        share(session)
    return replace(found, result=result, pending=result.pending)


def _planned(
    session: Session, desired: Desired, live: Live, policy: Policy
) -> tuple[Plan, Policy, tuple[Diagnostic, ...]]:
    """Look at the world and plan; what would be done to something protected is left out, and said."""
    check_store(live, session.backends(), session.store)
    seen = session.observed(live)
    plan, problems = propose(desired, live, policy, seen)
    spared = tuple(protected(plan, policy))
    if spared:
        policy = replace(policy, exclude=tuple(dict.fromkeys(str(address) for address, _ in spared)))
        plan, problems = propose(desired, live, policy, seen)
    refuse(session, problems)
    return plan, policy, tuple(found for _, found in spared)


def _tidied(session: Session, live: Live, policy: Policy, wanted: Job, watcher: Watcher) -> None:
    """Do what belongs to an apply with nothing to do: end a hold that is over, and claims that nobody holds."""
    lift(session.state, live, session.source, policy, wanted.title)
    for each in sweep(session.state, session.config.lease):
        watcher.note(f"ended the claims of {each}: that apply is no more")


def _runs(session: Session) -> Counter[Status]:
    """Count the newest run of each job as the backends have it now."""
    live = session.state.read()
    live = fold(live, observe(live, session.backends()))[0] if is_here(live, session.store) else live
    found: Counter[Status] = Counter()
    for address in live.current:
        if address.kind in kinds() and kind_named(address.kind).runnable:
            record = live.current[address]
            run = live.run(address, record.latest) if record.latest else None
            found.update([run.status] if run else ())
    return found
