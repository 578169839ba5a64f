"""The loop of the driver: observe the runs of the steps, decide, write what was decided, then do it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

from reconciler.diagnostics import UserError
from reconciler.engine.driver.children import Children, is_passing
from reconciler.engine.driver.decisions import (
    decide_steps,
    find_stop_reason,
    is_ended,
    runs_to_cancel,
)
from reconciler.engine.driver.events import CANCELS, GRAPHS, RESULTS, EventLog, gone_error
from reconciler.engine.driver.graph import FrozenGraph
from reconciler.engine.driver.result import make_graph_result
from reconciler.engine.driver.reuse import ReuseIndex, is_kept_for_reuse
from reconciler.engine.driver.sweeps import MetricReader, decide_sweeps
from reconciler.model import RunStatus
from reconciler.model.backend import Backend
from reconciler.model.notes import listen_to_notes
from reconciler.model.object_store import ObjectStore
from reconciler.model.step_runs import StepRun
from reconciler.timestamps import utc_timestamp

_FIRST_DELAY_SECONDS, _MAX_DELAY_SECONDS, _MAX_PROBLEM_DELAY_SECONDS = 0.05, 1.0, 5.0
_CANCELS_AT_ONCE, _SUBMISSIONS_AT_ONCE = 16, 16  # what runs is asked for in between
_DELAY_GROWTH = 1.25  # what has taken a second is noticed within a quarter of one


@dataclass(slots=True)
class Driver:
    """One driver of a run. There can be others at the same time: they write the same events, or read these."""

    graph: FrozenGraph
    store: ObjectStore
    open_backend: Callable[[str], Backend]
    host: str
    log: EventLog = field(init=False)
    children: Children = field(init=False)
    index: ReuseIndex = field(init=False)
    metrics: MetricReader = field(init=False)
    started_at: str = ""
    _canceled_tokens: set[str] = field(default_factory=set)
    _notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = EventLog(self.store, self.graph)
        self.children = Children(self.graph, self.store, self.open_backend)
        self.index = ReuseIndex(self.store, self.graph.target, self.graph.reuse_from)
        self.metrics = MetricReader(self.children.metrics)

    def start(self) -> None:
        """Read what happened so far, and note that this driver goes on from there."""
        self.log.read_new()
        verb = "continued" if self.log.events else "started"
        while not self.is_ended() and not self.log.append(self.host, (), f"{verb} on {self.host}"):
            self.log.read_new()
        self._keep_results(self.log.table.values())

    def is_ended(self) -> bool:
        """Return True if the result of the run is there.

        Raises UserError ``run-files-gone`` if the run is not there either, because the store was moved away or emptied:
        the next driver finds the run as it was left, and continues it.
        """
        if self.store.read(f"{RESULTS}/{self.graph.token}") is not None:
            return True
        if self.store.read(f"{GRAPHS}/{self.graph.token}") is None:
            raise gone_error(self.graph.run)
        return False

    def step(self) -> bool:
        """Observe, decide and do what follows; return True if anything changed."""
        with listen_to_notes(self._notes.append):
            return self._step()

    def _step(self) -> bool:
        has_news = self.log.read_new()
        is_canceled = self.store.read(f"{CANCELS}/{self.graph.token}") is not None
        observed = self._observe(is_canceled=is_canceled)
        decided = self._decide({**self.log.table, **observed}, is_canceled=is_canceled)
        changes = [*observed.values(), *decided.values()]
        if changes and self.log.append(self.host, changes, self._take_notes()):
            self._keep_results(changes)
        elif changes:
            self._cancel_unwanted(observed.values())
        if not changes and is_ended(self.graph, self.log.table):
            result = make_graph_result(self.graph, self.log, utc_timestamp("milliseconds"), is_canceled=is_canceled)
            self.store.create(f"{RESULTS}/{self.graph.token}", json.dumps(result).encode())
            return True
        return bool(changes) or has_news

    def _observe(self, *, is_canceled: bool) -> dict[str, StepRun]:
        """Return the runs that are not as they were recorded, by step; those that were intended are submitted."""
        table = self.log.table
        reason = find_stop_reason(self.graph, table, is_canceled=is_canceled)
        if reason:
            self._cancel(runs_to_cancel(self.graph, table, is_canceled=is_canceled))
        changes = self._submit(is_stopping=bool(reason))
        submitted = (run for run in table.values() if run.status.is_active and run.handle is not None)
        changes |= self.children.poll(submitted)
        return {path: _with_stop_reason(run, reason) for path, run in changes.items()} if reason else changes

    def _submit(self, *, is_stopping: bool) -> dict[str, StepRun]:
        """Return the runs that were intended as they are submitted, or canceled if they are not wanted any more.

        Some at a time: first those that nothing prevented the last time.
        """
        table, problems = self.log.table, self.children.problems
        intended = [run for run in table.values() if run.status is RunStatus.INTENDED and run.run]
        intended.sort(key=lambda run: run.step in problems)
        unwanted = [run for run in intended if is_stopping or run.failure]
        changed = [self.children.find(run) for run in unwanted[:_SUBMISSIONS_AT_ONCE]]
        wanted = self._with_room(run for run in intended if not (is_stopping or run.failure))
        changed += [self.children.submit(run, table) for run in islice(wanted, _SUBMISSIONS_AT_ONCE)]
        return {run.step: run for run in changed if run != table[run.step]}

    def _with_room(self, runs: Iterable[StepRun]) -> Iterator[StepRun]:
        """Yield the runs whose compute is not full when it is their turn; the rest would keep others from slots."""
        full: set[tuple[str, str]] = set()
        for run in runs:
            compute = run.backend, self.graph.step_of(run.step).task.compute.name
            if compute in full or not self.children.has_room(run):
                full.add(compute)
            else:
                yield run

    def _decide(self, table: dict[str, StepRun], *, is_canceled: bool) -> dict[str, StepRun]:
        now = utc_timestamp("milliseconds")
        sweeps = decide_sweeps(self.graph, table, self.metrics, now, is_canceled=is_canceled)
        self._cancel(table[path] for path in sweeps.stopped if path in table)
        table = {**table, **sweeps.changes}
        return sweeps.changes | decide_steps(self.graph, table, self.index.find, is_canceled=is_canceled)

    def _take_notes(self) -> str:
        """Return what backends have told of what they did since the last event."""
        text = "; ".join(dict.fromkeys(self._notes))
        self._notes.clear()
        return text

    def _cancel(self, runs: Iterable[StepRun]) -> None:
        """Ask runs to stop, all at once, each one once."""
        asked = [run for run in runs if run.handle is not None and run.token not in self._canceled_tokens]
        if asked:
            with ThreadPoolExecutor(_CANCELS_AT_ONCE) as pool:
                list(pool.map(self.children.cancel, asked))
        self._canceled_tokens.update(run.token for run in asked if run.step not in self.children.problems)

    def _cancel_unwanted(self, changes: Iterable[StepRun]) -> None:
        """Cancel runs that this driver has submitted while another one decided that they are not to start."""
        self.log.read_new()
        for run in changes:
            recorded = self.log.table.get(run.step)
            if run.handle and recorded and recorded.token == run.token and recorded.status is RunStatus.CANCELED:
                self.children.cancel(run)

    def _keep_results(self, runs: Iterable[StepRun]) -> None:
        """Keep the results of completed steps for reuse, when all else of them is recorded."""
        for run in runs:
            if is_kept_for_reuse(self.graph, run):
                self.index.add(self.graph, run)


def _with_stop_reason(run: StepRun, reason: str) -> StepRun:
    """Return a run that was to be canceled with the reason; one that was lost meanwhile counts as canceled."""
    if run.status is RunStatus.LOST:
        run = replace(run, status=RunStatus.CANCELED, failure="user", message="")
    return replace(run, message=reason) if run.status is RunStatus.CANCELED and not run.message else run


def drive(driver: Driver, on_problem: Callable[[str], None] = lambda _text: None) -> None:
    """Execute a graph until the run has ended. ``on_problem`` is told what it waits for, "" if for nothing but runs.

    Raises UserError if it cannot go on at all.
    """
    delay, problem, is_started = _FIRST_DELAY_SECONDS, "", False
    while True:
        try:
            if not is_started:
                driver.start()
                is_started = True
            if driver.is_ended():
                return
            has_changed = driver.step()
            seen = next(iter(driver.children.problems.values()), "")
        except UserError as error:
            if not is_passing(error):
                raise
            has_changed, seen = False, error.diagnostics[0].message
        if seen != problem:
            problem = seen
            on_problem(problem)
        if has_changed:
            delay = _FIRST_DELAY_SECONDS
        time.sleep(0 if has_changed else delay)
        delay = min(_DELAY_GROWTH * delay, _MAX_PROBLEM_DELAY_SECONDS if problem else _MAX_DELAY_SECONDS)
