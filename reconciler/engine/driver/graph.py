"""The frozen graph: all that the driver of a pipeline or a sweep needs, as it was when the run was submitted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model import EMPTY_MAPPING, Json, RunStatus, Spec, StepOutput
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.step_runs import StepRun
from reconciler.model.task_json import task_from_json, task_to_json
from reconciler.model.tasks import Task, TaskContent, TaskLiteral, TaskUri
from reconciler.state.codec import DECODE_ERRORS

GRAPH_FORMAT = 1
GRAPH_FILE = "graph.json"
RUN_NAME = "${{name}}"  # in the path of an output, until a step has a run
_MAX_NAME_LENGTH = 120  # of a step in the id of its run, which is the name of a folder


class Binding(NamedTuple):
    """An input that is the output of another step, with the type and the mode that it is read with."""

    source: StepOutput
    type: str
    mode: str


@dataclass(frozen=True, slots=True)
class FrozenStep:
    """A step with all that does not depend on other steps.

    ``task`` has neither a run nor a token, which each attempt gets, nor the inputs that are bound. ``static_key`` is
    the part of the reuse key that is known. ``cause`` is why the plan expects that it runs, "" if it does not expect
    it; ``previous`` are the inputs that the step had in the run before. ``output_paths`` are the declared ones.
    """

    path: str
    backend: str
    task: Task
    bindings: Mapping[str, Binding]
    static_key: str
    is_deterministic: bool = True
    sweep: Spec | None = None
    cause: str = ""
    previous: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    component: str = ""
    environment: str = ""
    environment_name: str = ""
    environment_fingerprint: str = ""
    output_paths: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps that it reads from, each once."""
        return tuple(dict.fromkeys(binding.source.step for binding in self.bindings.values()))

    def inputs(self) -> dict[str, Json]:
        """Return the inputs that are known: literal values and URIs, and of contents the sha256."""
        return {name: _input_value(task_input) for name, task_input in self.task.inputs.items()}

    def with_paths(self, outputs: Mapping[str, Json], run: str) -> dict[str, Json]:
        """Return the outputs of a run of the step, each with the path that is declared for it, and no other one."""
        paths = {name: {"path": path.replace(RUN_NAME, run)} for name, path in self.output_paths.items()}
        plain = {
            name: {key: value for key, value in output.items() if key != "path"} for name, output in outputs.items()
        }
        return {name: {**output, **paths.get(name, {})} for name, output in plain.items()}

    def not_started(self, message: str = "") -> StepRun:
        """Return the step as it is before anything happened to it, or if nothing ever will."""
        return StepRun(
            self.path,
            RunStatus.NOT_STARTED,
            message=message,
            backend="" if self.sweep else self.backend,
            component=self.component,
            environment=self.environment,
            environment_name=self.environment_name,
            environment_fingerprint=self.environment_fingerprint,
            inputs=self.inputs(),
            needs=self.needs,
        )

    def to_json(self) -> dict[str, Json]:
        """Return the step as the frozen graph keeps it."""
        return {
            "path": self.path,
            "backend": self.backend,
            "task": task_to_json(self.task),
            "bindings": {name: [*item.source, item.type, item.mode] for name, item in self.bindings.items()},
            "static_key": self.static_key,
            "is_deterministic": self.is_deterministic,
            "sweep": dict(self.sweep) if self.sweep is not None else None,
            "cause": self.cause,
            "previous": dict(self.previous),
            "component": self.component,
            "environment": self.environment,
            "environment_name": self.environment_name,
            "environment_fingerprint": self.environment_fingerprint,
            "output_paths": dict(self.output_paths),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> FrozenStep:
        """Return the step of a document; raises KeyError, TypeError or ValueError for what is none."""
        bindings = {
            name: Binding(StepOutput(step, output), type_, mode)
            for name, (step, output, type_, mode) in document["bindings"].items()
        }
        return cls(**{**document, "task": task_from_json(document["task"]), "bindings": bindings})


@dataclass(frozen=True)
class FrozenGraph:
    """The steps of a run, each after those that it reads from, and what holds for all of them.

    ``outputs`` are those of the run. ``target`` is the lineage of the live state, whose results are reused, and
    those of the lineages of ``reuse_from``, by the name of their target. With
    ``is_forced``, and of a sweep job, nothing is reused, nor kept for reuse. Without ``continues_on_failure`` a failed
    step cancels the others. ``retries`` is how often a step is tried again that was lost. ``backends`` are the settings
    of those in use.
    """

    run: str
    token: str
    address: str
    target: str
    steps: Mapping[str, FrozenStep]
    outputs: Mapping[str, StepOutput] = field(default_factory=lambda: EMPTY_MAPPING)
    reuse_from: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    experiment: str = "Default"
    workspace: str = ""
    commit: str = ""
    continues_on_failure: bool = True
    is_forced: bool = False
    is_sweep: bool = False
    retries: int = 2
    backends: Mapping[str, Mapping[str, Json]] = field(default_factory=lambda: EMPTY_MAPPING)
    version: str = ""

    @cached_property
    def read_outputs(self) -> frozenset[StepOutput]:
        """The outputs that another step reads."""
        return frozenset(binding.source for step in self.steps.values() for binding in step.bindings.values())

    @property
    def reuses_results(self) -> bool:
        """False if all steps run, and none of their results is kept for reuse."""
        return not self.is_forced and not self.is_sweep

    @property
    def sweep_step(self) -> FrozenStep | None:
        """The one step of a sweep job; None for a pipeline."""
        step = next(iter(self.steps.values()), None)
        return step if step is not None and step.sweep is not None and len(self.steps) == 1 else None

    def has_step(self, path: str) -> bool:
        """Return True if a path is that of a step, or of a trial of one."""
        sweep, _, number = path.rpartition(".")
        is_trial = number.isdecimal() and sweep in self.steps and self.steps[sweep].sweep is not None
        return path in self.steps or is_trial

    def step_of(self, path: str) -> FrozenStep:
        """Return the step at a path, or the sweep that a trial is one of."""
        return self.steps.get(path) or self.steps[path.rpartition(".")[0]]

    def child_token(self, path: str, attempt: int) -> str:
        """Return the token of an attempt of a step or a trial."""
        return hashlib.sha256("\n".join((self.token, path, str(attempt))).encode()).hexdigest()

    def child_run(self, path: str, token: str) -> str:
        """Return the id of the run of a step or a trial; MLflow takes no dots in it."""
        return f"{self.run}_{path[:_MAX_NAME_LENGTH].replace('.', '_')}-{token[:8]}"

    def to_json(self) -> dict[str, Json]:
        """Return the graph as the store keeps it; `from_json` reads it back."""
        return {
            "format": GRAPH_FORMAT,
            "run": self.run,
            "token": self.token,
            "address": self.address,
            "target": self.target,
            "reuse_from": dict(self.reuse_from),
            "steps": [step.to_json() for step in self.steps.values()],
            "outputs": {name: list(output) for name, output in self.outputs.items()},
            "experiment": self.experiment,
            "workspace": self.workspace,
            "commit": self.commit,
            "continues_on_failure": self.continues_on_failure,
            "is_forced": self.is_forced,
            "is_sweep": self.is_sweep,
            "retries": self.retries,
            "backends": {name: dict(settings) for name, settings in self.backends.items()},
            "version": self.version,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> FrozenGraph:
        """Return the graph of a document; raises KeyError, TypeError or ValueError for what is none."""
        steps = map(FrozenStep.from_json, document["steps"])
        values = {
            **document,
            "steps": {step.path: step for step in steps},
            "outputs": {name: StepOutput(*output) for name, output in document["outputs"].items()},
        }
        if values.pop("format") != GRAPH_FORMAT:
            raise ValueError(document["format"])
        return cls(**values)


def encode_graph(graph: FrozenGraph) -> bytes:
    """Return the bytes of a graph, which its content in the store has."""
    return json.dumps(graph.to_json(), separators=(",", ":")).encode()


def read_graph(store: ObjectStore, content: Content) -> FrozenGraph:
    """Return a graph from the store; raises UserError, ``graph-damaged`` if it cannot be understood."""
    with store.open(content.digest) as stream:
        raw = stream.read()
    if hashlib.sha256(raw).hexdigest() != content.sha256:
        raise graph_error(content.digest)
    try:
        return FrozenGraph.from_json(json.loads(raw))
    except DECODE_ERRORS as error:
        raise graph_error(content.digest) from error


def graph_error(name: str) -> UserError:
    """Return the error of a graph that was damaged, or that another version of mlgit has written."""
    message = f"the steps of the run, {name} in the store, are damaged or of another version of mlgit"
    return user_error("graph-damaged", message, "cancel the run and run the job again; completed steps are reused")


def _input_value(task_input: TaskLiteral | TaskUri | TaskContent) -> Json:
    match task_input:
        case TaskLiteral(value):
            return value
        case TaskUri(uri):
            return uri
        case TaskContent(_, _, content):
            return content.sha256
