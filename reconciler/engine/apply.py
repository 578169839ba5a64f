"""One plan, done in its order: what takes long side by side, and a failed action skips only what waits for it."""

from __future__ import annotations

import heapq
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from reconciler.diagnostics import UserError
from reconciler.engine.actions import ActionContext, execute_action, is_external, is_slow
from reconciler.model import Action, ActionId, Address, Event, Plan, Progress
from reconciler.state.store import WriteBatch

_POLL_SECONDS = 0.2  # between looks whether to write or to end while what takes long goes on; between words to stop


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What came of a plan: the events of the actions that failed, and the keys of those that were left for later."""

    failed: tuple[Event, ...]
    not_started: frozenset[ActionId]


def execute_plan(plan: Plan, context: ActionContext, parallelism: int) -> ExecutionResult:
    """Do what a plan says.

    Whatever ends this, what was done by then is written. Once the context is ``stopping``, what is under way comes to
    its end and nothing more is begun; a KeyboardInterrupt ends what is under way, too.
    """
    with ThreadPoolExecutor(parallelism, thread_name_prefix="action") as pool:
        work = _PlanExecutor(plan, context, pool, parallelism)
        try:
            work.execute()
        except KeyboardInterrupt:
            work.stop()
            raise
        finally:
            work.flush()
    left = {action.key for action in plan.actions} - work.started - work.failed.keys()
    return ExecutionResult(tuple(work.failed.values()), frozenset(left))


@dataclass(slots=True)
class _ReadyQueue:
    """The places in the plan of what can begin: what is quick, and what takes long and so needs room."""

    quick: list[int] = field(default_factory=list)
    slow: list[int] = field(default_factory=list)

    def add(self, place: int, action: Action) -> None:
        heapq.heappush(self.slow if is_slow(action) else self.quick, place)

    def pop_next(self, *, room: bool) -> int | None:
        """Take out the plan's first of what can begin; None where nothing can."""
        queues = [each for each in (self.quick, self.slow if room else []) if each]
        return heapq.heappop(min(queues)) if queues else None


@dataclass(slots=True)
class _PlanExecutor:
    """A plan while it is done."""

    plan: Plan
    context: ActionContext
    pool: ThreadPoolExecutor
    parallelism: int
    failed: dict[ActionId, Event] = field(default_factory=dict)
    waiting: set[ActionId] = field(default_factory=set)
    started: set[ActionId] = field(default_factory=set)
    running: dict[Future[WriteBatch], Action] = field(default_factory=dict)
    stop_announced: bool = False

    def execute(self) -> None:
        """Begin each action as soon as all that it waits for has ended; of those that can begin, the plan's first."""
        places = {action.key: place for place, action in enumerate(self.plan.actions)}
        sorter = TopologicalSorter(_predecessors(self.plan))
        sorter.prepare()
        ready = _ReadyQueue()
        while sorter.is_active():
            for key in sorter.get_ready():
                ready.add(places[key], self.plan.actions[places[key]])
            place = None if self._is_stopping() else ready.pop_next(room=len(self.running) < self.parallelism)
            if place is None and not self.running:
                break
            if place is None:
                sorter.done(*self._wait_for_workers())
            elif not self._start_action(self.plan.actions[place]):
                sorter.done(self.plan.actions[place].key)

    def stop(self) -> None:
        """End what is under way, and take down what came of it."""
        while wait(self.running, timeout=_POLL_SECONDS).not_done:  # it may begin another program meanwhile
            self.context.providers.builder.stop()
        for each in tuple(self.running):
            self._finish_action(each)

    def flush(self) -> None:
        """Write what was done, and say so."""
        for action in self.context.transaction.flush():
            self.context.emit(Event(Progress.DONE, action))

    def _is_stopping(self) -> bool:
        """Tell whether nothing more is to be begun, and say once what is waited for then."""
        if self.stop_announced or not self.context.is_stopping():
            return self.stop_announced
        self.stop_announced = True
        for action in self.running.values():
            self.context.emit(Event(Progress.MESSAGE, action, "comes to its end first; Ctrl-C once more stops it"))
        return True

    def _start_action(self, action: Action) -> bool:
        """Do an action, or leave it to a worker; tell whether one is at it."""
        held_back = self._blocked_event(action)
        if held_back is not None:
            self._record_event(held_back)
            return False
        if is_external(action) or self.context.transaction.is_flush_due():
            self.flush()
        self.started.add(action.key)
        self.context.emit(Event(Progress.STARTED, action))
        if is_slow(action):
            self.running[self.pool.submit(execute_action, self.context, action)] = action
            return True
        try:
            self.context.transaction.add_writes(execute_action(self.context, action), action)
        except UserError as error:
            self._record_event(Event(Progress.FAILED, action, error=error))
        return False

    def _wait_for_workers(self) -> list[ActionId]:
        """Wait until some worker is done; return the keys of what it was at."""
        while not (done := wait(self.running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done):
            self._is_stopping()
            if self.context.transaction.is_flush_due():
                self.flush()
        return [self._finish_action(each) for each in done]

    def _finish_action(self, future: Future[WriteBatch]) -> ActionId:
        action = self.running.pop(future)
        try:
            self.context.transaction.add_writes(future.result(), action)
        except UserError as error:
            self._record_event(Event(Progress.FAILED, action, error=error))
        if is_external(action):
            self.flush()
        return action.key

    def _blocked_event(self, action: Action) -> Event | None:
        """Return the event of an action that cannot be done now, because of another."""
        blocking = next((key for key in action.needs if key in self.failed), None)
        if blocking is not None:
            return Event(Progress.SKIPPED, action, f"because {blocking} failed")
        if action.known_after is not None or any(key in self.waiting for key in action.needs):
            return Event(Progress.WAITING, action, f"waits for {action.known_after}" if action.known_after else "waits")
        return None

    def _record_event(self, event: Event) -> None:
        self.context.emit(event)
        if event.progress is Progress.WAITING:
            self.waiting.add(event.action.key)
        else:
            self.failed[event.action.key] = event


def _predecessors(plan: Plan) -> dict[ActionId, list[ActionId]]:
    """Return what each action waits for: what it needs of this plan, and what comes before it at its own address.

    An action adds to the record that the one before it leaves.
    """
    keys = {action.key for action in plan.actions}
    order: dict[ActionId, list[ActionId]] = {}
    before: dict[Address, ActionId] = {}
    for action in plan.actions:
        order[action.key] = [key for key in (*action.needs, before.get(action.address)) if key in keys]
        before[action.address] = action.key
    return order
