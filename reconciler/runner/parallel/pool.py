"""The controller of a parallel step: it starts workers, gives them mini-batches, and replaces those that end.

A mini-batch belongs to one worker at a time, and counts as done when that worker says so: whatever happens to a worker
before, the mini-batch is given to another one, and what it left is written anew.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .batches import MiniBatch
from .report import DEBUG, WARNING, Progress, Report, StepFailedError
from .settings import Settings
from .worker import BROKEN, DONE, FAILED, READY, STOPPED
from .worker_process import Started, WorkerProcess

_TICK_SECONDS = 0.2  # between two checks of times, and of workers whose children keep their socket open
_MAX_DEATHS = 3  # of workers at one mini-batch, and of workers that end without one before any has made progress
_NEVER = float("inf")
_END_SECONDS = 10.0  # for a worker to exit after shutdown()


class Pool:
    """Gives mini-batches to workers until all have ended; ``done`` are the numbers of those with results."""

    def __init__(
        self, settings: Settings, batches: Sequence[MiniBatch], start_worker: Callable[[], Started], report: Report
    ) -> None:
        self.done: set[int] = set()
        self._settings = settings
        self._batches = batches
        self._start_worker = start_worker
        self._report = report
        self._waiting = deque(batches)
        self._workers: list[WorkerProcess] = []
        self._failures: dict[int, int] = {}
        self._deaths: dict[int, int] = {}
        self._failed: set[int] = set()
        self._failed_items = 0
        self._idle_deaths = 0
        self._has_begun = False
        self._started = self._last_progress = time.monotonic()
        self._selector = selectors.DefaultSelector()

    @property
    def progress(self) -> Progress:
        return Progress(len(self._batches), len(self.done), len(self._failed))

    def run(self, concurrency: int) -> None:
        """Process all mini-batches, then let the workers end; raises StepFailedError."""
        try:
            while self._open_count():
                self._start_workers(min(concurrency, self._open_count()))
                self._assign()
                self._wait()
                self._check_times()
                self._report.show(self.progress)
            self._stop_workers()
        finally:
            for worker in self._workers:
                worker.kill()
            self._selector.close()
            self._report.show(self.progress, is_last=True)

    def _open_count(self) -> int:
        return len(self._batches) - len(self.done) - len(self._failed)

    def _start_workers(self, count: int) -> None:
        while len(self._workers) < count:
            worker = WorkerProcess(self._start_worker(), time.monotonic() + self._settings.task_overhead_timeout)
            self._workers.append(worker)
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _assign(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.is_ready and worker.batch is None:
                batch = self._waiting.popleft()
                self._has_begun = True
                self._report.write(DEBUG, f"mini-batch {batch.number + 1} goes to worker {worker.process.pid}")
                worker.give(batch, time.monotonic() + self._settings.timeout)

    def _wait(self) -> None:
        """Wait for messages of workers, and handle these and the ends of workers."""
        for key, _ in self._selector.select(_TICK_SECONDS):
            for message in key.data.messages():
                self._handle(key.data, message)
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            for message in worker.messages():  # sent before it ended
                self._handle(worker, message)
            self._remove(worker)
            self._handle_death(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.channel)
        worker.channel.close()

    def _handle(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
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
        self._failed_items += len(batch.items) - results
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

    def _handle_death(self, worker: WorkerProcess) -> None:
        """Give the mini-batch of a worker that has ended to another one."""
        if worker.is_stopping:
            return
        end = worker.end
        batch = worker.batch
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

    def _end_late_worker(self, worker: WorkerProcess) -> None:
        for message in worker.messages():  # it may have been done just now
            self._handle(worker, message)
        if worker.deadline == _NEVER:
            return
        self._remove(worker)
        worker.kill()
        if worker.batch is not None:
            self._last_progress = time.monotonic()
            self._fail(worker.batch, f"run() took longer than {self._settings.timeout:g} s (retry_settings.timeout)")
        elif not worker.is_ready:
            seconds = self._settings.task_overhead_timeout
            raise StepFailedError(f"init() took longer than {seconds:g} s (task_overhead_timeout)")

    def _stop_workers(self) -> None:
        """Let all workers call shutdown(); raises StepFailedError if it fails."""
        for worker in self._workers:
            worker.stop(time.monotonic() + self._settings.task_overhead_timeout)
        while self._workers:
            self._wait()
            for worker in [worker for worker in self._workers if time.monotonic() > worker.deadline]:
                self._report.write(WARNING, "a worker did not end in time, and was killed")
                self._remove(worker)
                worker.kill()
