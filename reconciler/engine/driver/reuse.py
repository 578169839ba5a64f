"""Reuse by content: the key of what a step does, the index of results, and why a step runs that is not reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.engine.driver.graph import FrozenGraph, FrozenStep
from reconciler.model import EMPTY_MAPPING, Json, RunStatus, Spec
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.parallel_work import ParallelWork
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import Task, TaskContent, TaskLiteral, TaskUri
from reconciler.state.codec import DECODE_ERRORS, decode_step

REUSE = "reuse"
_KEY_FORMAT = 1
_TARGET_LENGTH = 8
_NOT_OF_THE_RESULT = frozenset({"max_retries", "timeout", "concurrency", "logging_level"})  # of a parallel step


class Found(NamedTuple):
    """What the index has for a key: a completed step of a run, ``origin`` in words.

    ``is_dropped`` is True if there was one whose outputs the store has no longer.
    """

    step: StepRun | None = None
    origin: str = ""
    is_dropped: bool = False


def make_static_key(task: Task, environment: str, sweep: Spec | None = None) -> str:
    """Return the part of a reuse key that is known before other steps have ended; inputs that are bound are left out.

    It has what the result depends on: the command, code and inputs by content, variables, the fingerprint of the
    environment, outputs and processes; of a sweep what decides its trials.
    """
    fields = {
        "format": _KEY_FORMAT,
        "command": task.command,
        "code": task.code.sha256 if task.code else "",
        "inputs": {name: _input_part(task_input) for name, task_input in task.inputs.items()},
        "variables": dict(task.variables),
        "environment": environment,
        "outputs": {name: output.type for name, output in task.outputs.items()},
        "distribution": dict(task.distribution),
        "sweep": _sweep_part(sweep) if sweep is not None else None,
        **({"parallel": _parallel_part(task.parallel)} if task.parallel else {}),
    }
    return _digest(fields)


def _input_part(task_input: TaskLiteral | TaskUri | TaskContent) -> Json:
    match task_input:
        case TaskLiteral(value):
            return ["value", value]
        case TaskUri(uri):
            return ["uri", uri]
        case TaskContent(type_, _, content):
            return ["content", type_, content.sha256]


def _parallel_part(work: ParallelWork) -> dict[str, Json]:
    """Return the settings of a parallel step that decide its result."""
    return {name: value for name, value in work.to_json().items() if name not in _NOT_OF_THE_RESULT}


def _sweep_part(sweep: Spec) -> dict[str, Json]:
    """Return the fields of a sweep without those limits that do not decide its result."""
    limits = sweep.get("limits") or {}
    return {**sweep, "limits": {"max_total_trials": limits.get("max_total_trials")}}


def reuse_key(static_key: str, bound: Mapping[str, str]) -> str:
    """Return the key of a step whose inputs are all known: ``bound`` are the sha256 of those of other steps."""
    return _digest([static_key, dict(bound)])


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def run_reason(graph: FrozenGraph, step: FrozenStep, inputs: Mapping[str, Json], *, is_dropped: bool) -> str:
    """Return why a step runs whose result is in no index."""
    if graph.is_forced:
        return "settings.force_rerun: true"
    if not step.is_deterministic:
        return "is_deterministic: false"
    if is_dropped:
        return "the result that it had is no longer in the store"
    if step.cause:
        return step.cause
    changed = (name for name in step.bindings if name in step.previous and step.previous[name] != inputs[name])
    if name := next(changed, ""):
        return f"inputs.{name}: the output of {step.bindings[name].source.step} changed"
    return "no earlier run has its result"


class ReuseIndex:
    """The results that the runs of one target have left in the store, and those of targets that it may reuse.

    A target is given by its lineage; ``others`` are the lineages of the other ones by name.
    """

    def __init__(self, store: ObjectStore, target: str, others: Mapping[str, str] = EMPTY_MAPPING) -> None:
        self._store = store
        self._prefix = _prefix(target)
        self._others = others

    def find(self, key: str) -> Found:
        """Return the result for a key if all of it is in the store as it was stored; any other own entry is deleted.

        With a damaged output, each run would reuse it, and each step that reads it would fail. What is returned is kept
        first, so that it is not removed as unused.
        """
        own = self._look_up(self._prefix, key)
        if own.is_dropped or not self._is_kept(own):
            self._store.delete(self._prefix + key)
            own = Found(is_dropped=True)
        if own.step is not None:
            return own
        return next((found for found in self._of_others(key) if self._is_kept(found)), own)

    def look_up(self, key: str) -> Found:
        """Return the result for a key if all of it is in the store, and leave everything as it is."""
        own = self._look_up(self._prefix, key)
        return own if own.step is not None else next(self._of_others(key), own)

    def _of_others(self, key: str) -> Iterator[Found]:
        """Yield the results of other targets that are all in the store, each with the name of its target."""
        for name, lineage in self._others.items():
            found = self._look_up(_prefix(lineage), key)
            if found.step is not None:
                yield found._replace(origin=f"{found.origin} of target {name}")

    def _is_kept(self, found: Found) -> bool:
        """Return False for a result that is damaged or was removed; any other one counts as used now."""
        contents = _contents_of(found.step) if found.step is not None else []
        return not any(map(self._store.verify, contents)) and all(map(self._store.keep, contents))

    def _look_up(self, prefix: str, key: str) -> Found:
        raw = self._store.read(prefix + key)
        if raw is None:
            return Found()
        try:
            document = json.loads(raw)
            step, origin = decode_step(document["step"]), str(document["origin"])
            digests = [content.digest for content in _contents_of(step)]
        except DECODE_ERRORS:
            return Found(is_dropped=True)
        return Found(is_dropped=True) if self._store.missing(digests) else Found(step, origin)

    def add(self, graph: FrozenGraph, run: StepRun) -> None:
        """Keep the result of a step for reuse; the first one of a key stands."""
        document = {"origin": f"{graph.run}/{run.step}", "step": run.to_json()}
        self._store.create(self._prefix + run.key, json.dumps(document, separators=(",", ":")).encode())


def _prefix(lineage: str) -> str:
    return f"{REUSE}/{lineage[:_TARGET_LENGTH]}."


def _contents_of(step: StepRun) -> list[Content]:
    return [Content.from_json(output) for output in step.outputs.values()]


def is_kept_for_reuse(graph: FrozenGraph, run: StepRun) -> bool:
    """Return True if the result of a step that has ended can be reused: it was executed, and its inputs decide it.

    They do not decide that of a sweep that a time limit has cut off, which its message says.
    """
    step = graph.steps.get(run.step)
    return (
        step is not None
        and step.is_deterministic
        and graph.reuses_results
        and run.status is RunStatus.COMPLETED
        and not run.reused_from
        and not run.message
    )
