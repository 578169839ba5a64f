"""Plan and apply, again and again, until there is nothing left to do, or nothing left to wait for.

Level-based: each round decides from what is, so it does not matter who did the round before, or whether that
somebody was killed in the middle of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from reconciler.applying.job import Job, Result, Watch
from reconciler.applying.rewind import check_meanwhile, check_rewind, lift
from reconciler.applying.rounds import Rounds, Tally, mark
from reconciler.applying.world import World
from reconciler.diagnostics import failure
from reconciler.live.process import host
from reconciler.model import Action, Live, Op, Plan
from reconciler.observe import active_runs, observe
from reconciler.planning.drift import with_heals
from reconciler.planning.hosts import ours
from reconciler.planning.observed import fold

_POLL_SECONDS = 0.2


def converge(  # noqa: PLR0913 - what, by whom it was approved, and until when
    world: World,
    job: Job,
    approved: Plan,
    watch: Watch,
    *,
    wait: bool,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    What is changed is claimed for a round at a time; nothing is claimed while runs are waited for. Once it is
    ``stopping`` nothing more is begun: what is under way comes to its end and is recorded.
    """
    tally = Tally()
    rounds = Rounds(world, job, watch, tally, stopping)
    source = job.desired.source

    def first(plan: Plan, live: Live) -> Plan:
        check_rewind(world.repository, live, source, job.policy)
        _check_stale(approved, plan)
        lift(world.state, live, source, job.policy, job.title)
        return ours(with_heals(plan, approved), world.config, host())

    plan, live = rounds.once(first, approved)
    rounds.job = replace(job, policy=replace(job.policy, replace=frozenset()))
    begun = source.commit if tally.succeeded else live.applied

    def following(plan: Plan, live: Live) -> Plan:
        check_meanwhile(world.repository, live, source, begun)
        return ours(tally.left(with_heals(_following(approved, plan), approved)), world.config, host())

    def more() -> bool:
        if rounds.unfinished or not wait:
            return rounds.unfinished
        return rounds.somebody_is_in_the_way() or _a_run_ends(world, live, watch, tally, stopping)

    while not stopping() and more():
        plan, live = rounds.once(following)
    return _result(plan, tally)


def _a_run_ends(world: World, live: Live, watch: Watch, tally: Tally, stopping: Callable[[], bool]) -> bool:
    """Wait until one of the active runs has ended that this apply can record; tell at once where there is none."""
    while not stopping():
        seen, ended = fold(live, observe(live, world.backends))
        if any(mark(each) not in tally.failed for each in ended):
            return True
        running = tuple(run for run in active_runs(seen) if run.backend in world.backends)
        if not running:
            return False
        watch.running(running)
        time.sleep(_POLL_SECONDS)
    return False


def _following(approved: Plan, plan: Plan) -> Plan:
    """Leave out what nobody approved: later rounds finish what the first began, and decide nothing else.

    What was approved follows again where it is to be retried; what was known later, or waited, follows once it is
    known.
    """
    keys = {each.key for each in approved.decisions}
    later = {each.address for each in approved.actions if each.known_after is not None}
    later |= {each.address for each in approved.pending if not each.failed}
    left: list[Action] = []
    gone: set[str] = set()
    for each in plan.actions:
        follows = not each.op.decision or each.key in keys or each.address in later
        if follows and not any(key in gone for key in each.needs):
            left.append(each)
        else:
            gone.add(each.key)
    return replace(plan, actions=tuple(left))


def _result(plan: Plan, tally: Tally) -> Result:
    ended = frozenset(version for key, version in tally.succeeded if key.startswith(f"{Op.RECORD} "))
    failed, barred = tuple(tally.failed.values()), tuple(tally.barred.values())
    return Result(len(tally.succeeded), failed, barred, plan.pending, ended)


def _check_stale(approved: Plan, plan: Plan) -> None:
    """Refuse to do what nobody has seen: the live state moved between the plan and its approval."""
    seen = {(each.key, each.version) for each in approved.decisions}
    if not {(each.key, each.version) for each in plan.decisions} <= seen:
        message = "the live state has changed since this plan was made"
        raise failure("plan-stale", message, "run `mlgit apply` again to see what is left to do")
