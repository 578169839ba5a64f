"""Tasks as JSON, as the frozen graph of a pipeline keeps those of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from reconciler.model.assets import Json
from reconciler.model.content import Content
from reconciler.model.parallel_work import ParallelWork
from reconciler.model.tasks import (
    Compute,
    Environment,
    Image,
    Prefix,
    Resources,
    Task,
    TaskContent,
    TaskInput,
    TaskLiteral,
    TaskOutput,
    TaskUri,
)

_TEXTS = ("run", "address", "token", "command", "step", "root_run", "commit", "experiment", "workspace")


def task_to_json(task: Task) -> dict[str, Json]:
    """Return a task as JSON; `task_from_json` reads it back."""
    return {
        **{name: getattr(task, name) for name in _TEXTS},
        "environment": _environment_to_json(task.environment),
        "code": task.code.to_json() if task.code else None,
        "inputs": {name: _input_to_json(task_input) for name, task_input in task.inputs.items()},
        "outputs": {name: _output_to_json(output) for name, output in task.outputs.items()},
        "compute": {"name": task.compute.name, "spec": dict(task.compute.spec)},
        "resources": asdict(task.resources),
        "distribution": dict(task.distribution),
        **({"parallel": task.parallel.to_json()} if task.parallel else {}),
        "variables": dict(task.variables),
    }


def task_from_json(document: Mapping[str, Json]) -> Task:
    """Return the task of a document; raises KeyError, TypeError or ValueError for what is none."""
    return Task(
        **{name: document[name] for name in _TEXTS},
        environment=_environment_from_json(document["environment"]),
        code=Content.from_json(document["code"]) if document["code"] else None,
        inputs={name: _input_from_json(item) for name, item in document["inputs"].items()},
        outputs={name: _output_from_json(output) for name, output in document["outputs"].items()},
        compute=Compute(document["compute"]["name"], document["compute"]["spec"]),
        resources=Resources(**document["resources"]),
        distribution=document["distribution"],
        parallel=ParallelWork.from_json(document["parallel"]) if document.get("parallel") else None,
        variables=document["variables"],
    )


def _output_to_json(output: TaskOutput) -> Json:
    return {"type": output.type, "uri": output.uri} if output.uri else output.type


def _output_from_json(document: Json) -> TaskOutput:
    return TaskOutput(document) if isinstance(document, str) else TaskOutput(document["type"], document["uri"])


def _environment_to_json(environment: Environment) -> dict[str, Json]:
    variables = dict(environment.variables)
    match environment:
        case Prefix(path, host, _, path_entries):
            more: dict[str, Json] = {"path_entries": list(path_entries)} if path_entries else {}
            return {"path": path, "host": host, "variables": variables, **more}
        case Image(reference, digest):
            return {"reference": reference, "digest": digest, "variables": variables}


def _environment_from_json(document: Mapping[str, Json]) -> Environment:
    if "path" not in document:
        return Image(**document)
    return Prefix(**{**document, "path_entries": tuple(document.get("path_entries", ()))})


def _input_to_json(task_input: TaskInput) -> dict[str, Json]:
    match task_input:
        case TaskLiteral(value):
            return {"value": value}
        case TaskUri(uri):
            return {"uri": uri}
        case TaskContent(type_, mode, content):
            return {"type": type_, "mode": mode, "content": content.to_json()}


def _input_from_json(document: Mapping[str, Json]) -> TaskInput:
    if "content" in document:
        return TaskContent(document["type"], document["mode"], Content.from_json(document["content"]))
    return TaskUri(document["uri"]) if "uri" in document else TaskLiteral(document["value"])
