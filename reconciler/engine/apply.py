"""Execute one plan in its order: slow actions in parallel, and a failed action skips only what needs it."""

from __future__ import annotations

import heapq
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from reconciler.diagnostics import UserError
from reconciler.engine.action_context import ActionContext
from reconciler.engine.actions import execute_action, is_external, is_slow
from reconciler.engine.bug_report import unexpected_error
from reconciler.model import Action, ActionId, Address, Event, Plan, Progress
from reconciler.state.store import WriteBatch

_POLL_SECONDS = 0.2  # while slow actions run: between checks for a flush or a shutdown, and between calls to stop


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The events of the actions that failed, and the keys of those that were not started."""

    failed: tuple[Event, ...]
    not_started: frozenset[ActionId]


def execute_plan(plan: Plan, context: ActionContext, parallelism: int) -> ExecutionResult:
    """Execute the actions of a plan; whatever ends the execution, the results so far are written.

    Once the context is stopping, running actions finish and no action is started. A KeyboardInterrupt stops running
    builds too.
    """
    with ThreadPoolExecutor(parallelism, thread_name_prefix="action") as pool:
        executor = _PlanExecutor(plan, context, pool, parallelism)
        try:
            executor.execute()
        except KeyboardInterrupt:
            executor.stop()
            raise
        finally:
            executor.flush()
    not_started = {action.key for action in plan.actions} - executor.started - executor.failed.keys()
    return ExecutionResult(tuple(executor.failed.values()), frozenset(not_started))


@dataclass(slots=True)
class _ReadyQueue:
    """The positions in the plan of the actions that can start; slow ones need a free worker."""

    quick: list[int] = field(default_factory=list)
    slow: list[int] = field(default_factory=list)

    def add(self, position: int, *, is_slow: bool) -> None:
        heapq.heappush(self.slow if is_slow else self.quick, position)

    def pop_next(self, *, is_worker_free: bool) -> int | None:
        """Remove and return the lowest position that can start; None if none can."""
        queues = [queue for queue in (self.quick, self.slow if is_worker_free else []) if queue]
        return heapq.heappop(min(queues)) if queues else None


@dataclass(slots=True)
class _PlanExecutor:
    """The execution of one plan."""

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
        """Start each action once all that it waits for has ended; of those that can start, the plan's first."""
        positions = {action.key: position for position, action in enumerate(self.plan.actions)}
        sorter = TopologicalSorter(_predecessors(self.plan))
        sorter.prepare()
        ready = _ReadyQueue()
        while sorter.is_active():
            for key in sorter.get_ready():
                action = self.plan.actions[positions[key]]
                ready.add(positions[key], is_slow=is_slow(self.context, action))
            is_worker_free = len(self.running) < self.parallelism
            position = None if self._is_stopping() else ready.pop_next(is_worker_free=is_worker_free)
            if position is None and not self.running:
                break
            if position is None:
                sorter.done(*self._wait_for_workers())
            elif not self._start_action(self.plan.actions[position]):
                sorter.done(self.plan.actions[position].key)

    def stop(self) -> None:
        """Stop running builds, wait for the workers, and keep their results."""
        while wait(self.running, timeout=_POLL_SECONDS).not_done:  # a worker may start another build meanwhile
            for builder in self.context.providers.builders.values():
                builder.stop()
        for future in tuple(self.running):
            self._finish_action(future)

    def flush(self) -> None:
        """Write the results so far, and report their actions as done."""
        try:
            done = self.context.transaction.flush()
        except UserError:
            raise
        except Exception:  # noqa: BLE001 - one of the results cannot be written, which is the failure of its action alone
            self._flush_one_by_one()
        else:
            for action in done:
                self.context.emit(Event(Progress.DONE, action))

    def _flush_one_by_one(self) -> None:
        """Write each result by itself; one that cannot be written is a failure, and what needs it is not written."""
        transaction = self.context.transaction
        for action, writes in transaction.take_pending():
            event = self._blocked_event(action) or Event(Progress.DONE, action)
            if event.progress is Progress.DONE:
                try:
                    transaction.add_writes(writes, action)
                    transaction.flush()
                except UserError:
                    raise
                except Exception as error:  # noqa: BLE001 - reported as the failure of the action
                    transaction.take_pending()
                    bug = unexpected_error(error, action, transaction.state_store.local_folder)
                    event = Event(Progress.FAILED, action, error=bug)
            self._record_event(event)

    def _is_stopping(self) -> bool:
        """Return True if no action may be started; report once which running actions are waited for."""
        if self.stop_announced or not self.context.is_stopping():
            return self.stop_announced
        self.stop_announced = True
        for action in self.running.values():
            self.context.emit(Event(Progress.MESSAGE, action, "finishing; press Ctrl-C again to interrupt"))
        return True

    def _start_action(self, action: Action) -> bool:
        """Execute an action, or hand it to a worker; return True if a worker has it."""
        blocked = self._blocked_event(action)
        if blocked is None and (is_external(self.context, action) or self.context.transaction.is_flush_due()):
            self.flush()
            blocked = self._blocked_event(action)  # what it needs could perhaps not be written
        if blocked is not None:
            self._record_event(blocked)
            return False
        self.started.add(action.key)
        self.context.emit(Event(Progress.STARTED, action))
        if is_slow(self.context, action):
            self.running[self.pool.submit(execute_action, self.context, action)] = action
            return True
        try:
            self.context.transaction.add_writes(execute_action(self.context, action), action)
        except UserError as error:
            self._record_event(Event(Progress.FAILED, action, error=error))
        return False

    def _wait_for_workers(self) -> list[ActionId]:
        """Wait until a worker is done; return the keys of the actions that ended."""
        while not (done := wait(self.running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done):
            self._is_stopping()
            if self.context.transaction.is_flush_due():
                self.flush()
        return [self._finish_action(future) for future in done]

    def _finish_action(self, future: Future[WriteBatch]) -> ActionId:
        action = self.running.pop(future)
        try:
            self.context.transaction.add_writes(future.result(), action)
        except UserError as error:
            self._record_event(Event(Progress.FAILED, action, error=error))
        if is_external(self.context, action):
            self.flush()
        return action.key

    def _blocked_event(self, action: Action) -> Event | None:
        """Return the event that explains why an action cannot be executed now; None if it can."""
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
        elif event.progress is not Progress.DONE:
            self.failed[event.action.key] = event


def _predecessors(plan: Plan) -> dict[ActionId, list[ActionId]]:
    """Return the keys that each action waits for: what it needs, and the action before it at its own address.

    An action builds on the record that the previous action at its address leaves.
    """
    keys = {action.key for action in plan.actions}
    order: dict[ActionId, list[ActionId]] = {}
    last_keys: dict[Address, ActionId] = {}
    for action in plan.actions:
        order[action.key] = [key for key in (*action.needs, last_keys.get(action.address)) if key in keys]
        last_keys[action.address] = action.key
    return order
