"""The task of a run: what a job does, made of its spec, its environment and contents of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.engine.task_inputs import lower_word, make_inputs
from reconciler.format.mirrors import Mirrors
from reconciler.model import ResolvedAsset, Run
from reconciler.model.content import Content
from reconciler.model.tasks import Compute, Environment, Task, TaskOutput
from reconciler.planning.compute import COMPUTE_POINTER, compute_name
from reconciler.planning.experiment_name import experiment_name
from reconciler.planning.output_paths import direct_uris
from reconciler.planning.run_requests import read_distribution, read_resources

if TYPE_CHECKING:  # a forecast, which is part of every plan, describes tasks without an apply
    from reconciler.engine.action_context import ActionContext

JobSpec = Mapping[str, Any]
_DEFAULT_TYPE = "uri_folder"


def make_task(
    context: ActionContext,
    resolved: ResolvedAsset,
    run: Run,
    environment: Environment,
    contents: Mapping[str, Content | str],
) -> Task:
    """Return one run as a task for its backend: contents of the store, inputs and outputs by name, the environment.

    ``contents`` are those of its paths, of what it refers to and of what was downloaded, by JSON pointer.
    """
    config = context.providers.config
    task = describe_task(resolved, environment, contents, config.mirrors)
    uris = direct_uris(resolved.asset.spec, run.id)
    return replace(
        task,
        outputs={name: replace(output, uri=uris.get(name, "")) for name, output in task.outputs.items()},
        run=run.id,
        address=str(run.address),
        token=run.token,
        root_run=run.parent,
        commit=run.commit,
        experiment=experiment_name(resolved.asset),
        workspace=config.state,
        compute=_compute_of(context, resolved),
    )


def describe_task(
    resolved: ResolvedAsset, environment: Environment, contents: Mapping[str, Content | str], mirrors: Mirrors
) -> Task:
    """Return what a job does as a task, without its run and its compute; see `make_task`."""
    spec, code = resolved.asset.spec, contents.get("/code")
    return Task(
        run="",
        address=str(resolved.asset.address),
        token="",
        command=spec["command"],
        environment=environment,
        code=code if isinstance(code, Content) else None,
        inputs=make_inputs(spec.get("inputs") or {}, mirrors, contents),
        outputs={name: TaskOutput(output_type) for name, output_type in _output_types(spec).items()},
        resources=read_resources(spec),
        distribution=read_distribution(spec),
        variables=_variables(spec.get("environment_variables") or {}),
    )


def _variables(declared: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: str(value) for name, value in declared.items() if value is not None}


def _compute_of(context: ActionContext, resolved: ResolvedAsset) -> Compute:
    """Return the compute of a job, as it is registered."""
    reference = resolved.references.get(COMPUTE_POINTER)
    record = context.state.current.get(reference.address) if reference else None
    return Compute(compute_name(resolved.asset), record.spec if record else {})


def _output_types(spec: JobSpec) -> dict[str, str]:
    outputs = spec.get("outputs") or {}
    return {name: lower_word(declared or {}, "type", _DEFAULT_TYPE) for name, declared in outputs.items()}
