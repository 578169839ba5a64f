"""The controller of a parallel step: it starts workers, gives them mini-batches, and replaces those that end.

A mini-batch belongs to one worker at a time, and counts as done when that worker says so: whatever happens to a worker
before, the mini-batch is given to another one, and what it left is written anew.
"""

from __future__ import annotations

import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .batches import MiniBatch
from .exchange import MessageTooLongError
from .report import DEBUG, WARNING, Progress, Report, StepFailedError
from .settings import Settings
from .worker import BROKEN, DONE, FAILED, READY, STOPPED
from .worker_process import Started, Worker, WorkerProcess

_TICK_SECONDS = 0.2  # between two checks of times, and of workers whose children keep their socket open
_POLL_SECONDS = 0.1  # the same, where the files of other instances are looked at, too
_MAX_DEATHS = 3  # of workers at one mini-batch, and of workers that end without one before any has made progress
_NEVER = float("inf")
_END_SECONDS = 10.0  # for a worker to exit after shutdown()


class Instance(Protocol):
    """Where workers are; ``capacity`` is how many of them there can be, None until that is known."""

    @property
    def capacity(self) -> int | None: ...

    def start_worker(self, deadline: float) -> Worker:
        """Start a worker that has to be ready by a time."""

    def receive(self) -> Sequence[Worker]:
        """Return the workers that have said something, or have ended, but for those with a channel here."""

    def end(self) -> None:
        """End it, with what workers it still has."""


class ThisInstance:
    """The workers that are processes of this machine."""

    def __init__(self, start: Callable[[], Started], capacity: int) -> None:
        self.capacity, self._start = capacity, start

    def start_worker(self, deadline: float) -> WorkerProcess:
        """Start a worker that has to be ready by a time."""
        return WorkerProcess(self._start(), deadline)

    def receive(self) -> Sequence[Worker]:
        """Return none: what they have said is found by their channels."""
        return ()

    def end(self) -> None:
        """Do nothing: the controller kills them, and ends itself."""


class Pool:
    """Gives mini-batches to workers until all have ended; ``done`` are the numbers of those with results."""

    def __init__(
        self, settings: Settings, batches: Sequence[MiniBatch], instances: Sequence[Instance], report: Report
    ) -> None:
        self.done: set[int] = set()
        self._settings = settings
        self._batches = batches
        self._instances = instances
        self._report = report
        self._waiting = deque(batches)
        self._workers: dict[Worker, Instance] = {}
        self._failures: dict[int, int] = {}
        self._deaths: dict[int, int] = {}
        self._failed: set[int] = set()
        self._failed_items = 0
        self._idle_deaths = 0
        self._has_begun = False
        self._tick = _TICK_SECONDS if len(instances) == 1 else _POLL_SECONDS
        self._started = self._last_progress = time.monotonic()
        self._selector = selectors.DefaultSelector()

    @property
    def progress(self) -> Progress:
        return Progress(len(self._batches), len(self.done), len(self._failed))

    def run(self) -> None:
        """Process all mini-batches, then let the workers end; raises StepFailedError."""
        try:
            while self._open_count():
                self._start_workers()
                self._assign()
                self._wait()
                self._check_times()
                self._report.show(self.progress)
            self._stop_workers()
        except MessageTooLongError as error:
            raise StepFailedError(f"mini_batch_size is too large for several instances: {error}") from error
        finally:
            for worker in self._workers:
                worker.kill()
            for instance in self._instances:
                instance.end()
            self._selector.close()
            self._report.show(self.progress, is_last=True)

    def _open_count(self) -> int:
        return len(self._batches) - len(self.done) - len(self._failed)

    def _start_workers(self) -> None:
        """Start as many workers as there are mini-batches, on all instances in turn, once it is known what fits."""
        free = {instance: instance.capacity for instance in self._instances}
        capacities = [capacity for capacity in free.values() if capacity is not None]
        if len(capacities) < len(free):
            return
        while len(self._workers) < min(sum(capacities), self._open_count()):
            counts = Counter(self._workers.values())
            instance = min(
                (one for one, capacity in free.items() if counts[one] < (capacity or 0)), key=counts.__getitem__
            )
            worker = instance.start_worker(time.monotonic() + self._settings.task_overhead_timeout)
            self._workers[worker] = instance
            if isinstance(worker, WorkerProcess):
                self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _assign(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.is_ready and worker.batch is None and not worker.is_late:
                batch = self._waiting.popleft()
                self._has_begun = True
                self._report.write(DEBUG, f"mini-batch {batch.number + 1} goes to worker {worker.name}")
                worker.give(batch, time.monotonic() + self._settings.timeout)

    def _wait(self) -> None:
        """Wait for messages of workers, and handle these and the ends of workers."""
        heard: list[Worker] = [key.data for key, _ in self._selector.select(self._tick)]
        for instance in self._instances:
            heard += instance.receive()
        for worker in heard:
            for message in worker.messages():
                self._handle(worker, message)
        for worker in [worker for worker in self._workers if worker.return_code is not None]:
            for message in worker.messages():  # sent before it ended
                self._handle(worker, message)
            self._remove(worker)
            self._handle_death(worker)

    def _remove(self, worker: Worker) -> None:
        del self._workers[worker]
        if isinstance(worker, WorkerProcess):
            self._selector.unregister(worker.channel)
            worker.close()

    def _handle(self, worker: Worker, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == BROKEN:
            raise StepFailedError(message["error"])
        if event == READY:
            worker.is_ready = True
            if not worker.is_stopping:  # else it is to end, whether it was ready in time for a mini-batch or not
                worker.deadline = _NEVER
        elif event == STOPPED:
            worker.deadline = time.monotonic() + _END_SECONDS
        elif event in (DONE, FAILED) and worker.batch is not None:
            batch, worker.batch, worker.deadline = worker.batch, None, _NEVER
            self._last_progress, self._idle_deaths = time.monotonic(), 0
            if event == DONE:
                self.done.add(batch.number)
            else:
                self._fail(batch, message["error"], message["results"])

    def _fail(self, batch: MiniBatch, error: str, results: int = 0) -> None:
        """Try a mini-batch again, or count it as failed; raises StepFailedError if that is more than is allowed."""
        self._failures[batch.number] = tries = self._failures.get(batch.number, 0) + 1
        limit = self._settings.max_retries + 1
        self._report.write(WARNING, f"mini-batch {batch.number + 1} failed (try {tries} of {limit}): {error}")
        if tries < limit:
            self._waiting.append(batch)
            return
        self._failed.add(batch.number)
        self._failed_items += batch.size - results
        if reason := self._exceeded_threshold():
            raise StepFailedError(f"{error}: {reason}")

    def _exceeded_threshold(self) -> str:
        settings, failed, total = self._settings, len(self._failed), len(self._batches)
        count = f"{failed} of {total} mini-batches failed"
        if 0 <= settings.mini_batch_error_threshold < failed:
            return f"{count}, mini_batch_error_threshold is {settings.mini_batch_error_threshold}"
        if 0 <= settings.error_threshold < self._failed_items:
            return f"{self._failed_items} items failed, error_threshold is {settings.error_threshold}"
        if failed * 100 > settings.allowed_failed_percent * total:
            return f"{count}, allowed_failed_percent is {settings.allowed_failed_percent:g}"
        return ""

    def _handle_death(self, worker: Worker) -> None:
        """Give the mini-batch of a worker that has ended to another one."""
        if worker.is_stopping:
            return
        end, batch = worker.end, worker.batch
        if worker.is_late:
            if batch is not None:  # else it was done just now
                self._last_progress = time.monotonic()
                self._fail(batch, f"run() took longer than {self._settings.timeout:g} s (retry_settings.timeout)")
            return
        if batch is None:
            self._idle_deaths += 1
            if self._idle_deaths > _MAX_DEATHS:
                raise StepFailedError(f"workers end before they get a mini-batch: the last one {end}")
            self._report.write(WARNING, f"a worker {end}; another one is started")
            return
        self._deaths[batch.number] = deaths = self._deaths.get(batch.number, 0) + 1
        self._report.write(WARNING, f"the worker of mini-batch {batch.number + 1} {end}; another one repeats it")
        if deaths < _MAX_DEATHS:
            self._waiting.appendleft(batch)
        else:
            self._failures[batch.number] = self._settings.max_retries  # it is not tried again
            self._fail(batch, f"its worker {end}, {deaths} times")

    def _check_times(self) -> None:
        now, settings = time.monotonic(), self._settings
        if not self._has_begun and now > self._started + settings.first_task_creation_timeout:
            seconds = settings.first_task_creation_timeout
            raise StepFailedError(f"no mini-batch was begun in {seconds:g} s (first_task_creation_timeout)")
        if settings.progress_update_timeout and now > self._last_progress + settings.progress_update_timeout:
            seconds = settings.progress_update_timeout
            raise StepFailedError(f"no mini-batch has ended for {seconds:g} s (progress_update_timeout)")
        for worker in [worker for worker in self._workers if now > worker.deadline]:
            self._end_late_worker(worker)

    def _end_late_worker(self, worker: Worker) -> None:
        """Kill a worker; its mini-batch is tried again when it has ended, so that no two workers have it."""
        for message in worker.messages():  # it may have been done just now
            self._handle(worker, message)
        if worker.deadline == _NEVER:
            return
        if not worker.is_ready:
            seconds = self._settings.task_overhead_timeout
            raise StepFailedError(f"init() took longer than {seconds:g} s (task_overhead_timeout)")
        self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        worker.is_late, worker.deadline = True, _NEVER
        worker.kill()

    def _stop_workers(self) -> None:
        """Let all workers call shutdown(); raises StepFailedError if it fails."""
        for worker in self._workers:
            worker.stop(time.monotonic() + self._settings.task_overhead_timeout)
        while self._workers:
            self._wait()
            for worker in [worker for worker in self._workers if time.monotonic() > worker.deadline]:
                self._report.write(WARNING, "a worker did not end in time, and was killed")
                self._kill(worker)
