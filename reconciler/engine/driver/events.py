"""What happened in a run: events in the store, numbered, which only one of several drivers can write.

An event has the new state of some steps. A driver writes the next one only if it has read all before it, so each
decision is made once, by a driver that knows all earlier ones.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.driver.graph import FrozenGraph, graph_error, read_graph
from reconciler.model import Json, RunStatus
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.step_runs import StepRun
from reconciler.state.codec import DECODE_ERRORS, decode_step
from reconciler.state.field_types import check_contents
from reconciler.timestamps import utc_timestamp

GRAPHS, EVENTS, CANCELS, RESULTS = "graphs", "events", "cancels", "results"


class Submission(NamedTuple):
    """The entry of a run that was submitted: its id, the machine that did it, and its frozen graph."""

    run: str
    host: str
    graph: Content


class DriverEvent(NamedTuple):
    """What one driver has written at once: the machine and the time, steps as they are now, and a note for a person."""

    host: str
    at: str
    steps: tuple[StepRun, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the event as the store keeps it."""
        return {"host": self.host, "at": self.at, "steps": [step.to_json() for step in self.steps], "note": self.note}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> DriverEvent:
        """Return the event of a document; raises one of `DECODE_ERRORS` for what is none."""
        texts = (document["host"], document["at"], document["note"])
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(document)
        return cls(*texts[:2], tuple(map(decode_step, document["steps"])), texts[2])


def find_submission(store: ObjectStore, token: str) -> Submission | None:
    """Return what was submitted with a token; None if nothing was. Raises UserError ``graph-damaged``."""
    raw = store.read(f"{GRAPHS}/{token}")
    if raw is None:
        return None
    try:
        document = json.loads(raw)
        submission = Submission(document["run"], document["host"], Content.from_json(document["graph"]))
        check_contents([document["graph"]])
        if not (isinstance(submission.run, str) and isinstance(submission.host, str)):
            raise TypeError(document)
    except DECODE_ERRORS as error:
        raise graph_error(f"{GRAPHS}/{token}") from error
    return submission


def find_graph(store: ObjectStore, token: str) -> FrozenGraph | None:
    """Return the graph that was submitted with a token; None if there is none. Raises UserError ``graph-damaged``."""
    submission = find_submission(store, token)
    if submission is None:
        return None
    graph = read_graph(store, submission.graph)
    if graph.token != token:
        raise graph_error(f"{GRAPHS}/{token}")
    return graph


def gone_error(run: str) -> UserError:
    """Return the error of a run that the store knows nothing of."""
    return user_error("run-files-gone", f"the steps of run {run} are no longer in the store", "put the store back")


class EventLog:
    """The events of one run as far as they are known: ``table`` has the newest state of each step and trial."""

    def __init__(self, store: ObjectStore, graph: FrozenGraph) -> None:
        self._store = store
        self._graph = graph
        self._token = graph.token
        self._lock = threading.RLock()  # several actions of an apply read at once
        self.events: list[DriverEvent] = []
        self.table: dict[str, StepRun] = {}

    def read_new(self) -> bool:
        """Read the events that were written meanwhile; return True if there are any. Raises UserError."""
        with self._lock:
            count = len(self.events)
            while (raw := self._store.read(self._name(len(self.events) + 1))) is not None:
                self._add(self._decode(raw))
            return len(self.events) > count

    def _decode(self, raw: bytes) -> DriverEvent:
        try:
            event = DriverEvent.from_json(json.loads(raw))
        except DECODE_ERRORS as error:
            raise graph_error(self._name(len(self.events) + 1)) from error
        if not all(self._graph.has_step(step.step) for step in event.steps):
            raise graph_error(self._name(len(self.events) + 1))
        return event

    def append(self, host: str, steps: Iterable[StepRun], note: str = "") -> bool:
        """Write the next event; return False if there is one already, which this driver has not read yet."""
        event = DriverEvent(host, utc_timestamp("milliseconds"), tuple(steps), note)
        data = json.dumps(event.to_json(), separators=(",", ":")).encode()
        with self._lock:
            if not self._store.create(self._name(len(self.events) + 1), data):
                return False
            self._add(event)
        return True

    def _add(self, event: DriverEvent) -> None:
        self.events.append(event)
        self.table.update((step.step, step) for step in event.steps)

    def _name(self, number: int) -> str:
        return f"{EVENTS}/{self._token}.{number:06d}"


def format_events(events: Iterable[DriverEvent]) -> Iterable[str]:
    """Yield the lines that tell a person what happened; none for what only more is known of."""
    described: dict[str, str] = {}
    for event in events:
        if event.note:
            yield f"{event.at} {event.note}"
        for step in event.steps:
            line = _describe(step)
            if described.get(step.step) != line:
                described[step.step] = line
                yield f"{event.at} {line}"


def _describe(step: StepRun) -> str:
    if step.reused_from:
        return f"{step.step}: reused from {step.reused_from}"
    if step.is_best:
        return f"{step.step}: is the best trial, with {step.best_value}"
    words = [f"{step.step}: {step.status.label}"]
    if step.status is RunStatus.INTENDED:
        attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        words = [f"{step.step}: starts{f' as {step.run}' if step.run else ''}{attempt}"]
        words += [step.reason] if step.reason else []
    words += [step.message] if step.message else []
    return ": ".join(words)
