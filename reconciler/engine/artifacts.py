"""Artifacts: store the files of assets, and make the task of a run of contents of the store."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from reconciler.abbreviation import join_some
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.contents import check_run_output, store_git_content
from reconciler.engine.inputs import lower_word, make_inputs
from reconciler.engine.providers import Providers
from reconciler.engine.staged import part_source, store_once
from reconciler.format.mirrors import Mirrors
from reconciler.model import ResolvedAsset, ResolvedReference, Run
from reconciler.model.content import Content, UploadFile
from reconciler.model.tasks import Compute, Environment, Task, TaskOutput
from reconciler.planning.compute import COMPUTE_POINTER, compute_name
from reconciler.planning.content import tracked_content
from reconciler.planning.experiment_name import experiment_name
from reconciler.planning.job_outputs import find_job_output
from reconciler.planning.output_paths import direct_uris
from reconciler.planning.run_requests import read_distribution, read_resources

JobSpec = Mapping[str, Any]
_DEFAULT_TYPE = "uri_folder"
_MAX_NAMES = 10
# Errors of the store or the backend, which a later apply may not meet; all others are errors of the outputs.
_INFRASTRUCTURE_CODES = frozenset(
    {"store-full", "store-not-usable", "store-unreachable", "file-changed", "backend-missing"}
)


def store_asset_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content]:
    """Store the content of an asset: its local paths and the run outputs that it refers to; return it by pointer."""
    contents = {
        local_path.pointer: store_git_content(context.providers, tracked_content(context.tree, local_path.path))
        for local_path in resolved.asset.paths
    }
    return contents | output_contents(context, resolved)


def output_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content]:
    """Return the run outputs that an asset refers to, by pointer; raises UserError if one is not in the store."""
    return {
        pointer: output_content(context, reference)
        for pointer, reference in resolved.references.items()
        if reference.output
    }


def is_infrastructure_error(error: UserError) -> bool:
    """Return True if outputs could not be stored for a reason outside the run, so that it is worth retrying."""
    return any(diagnostic.code in _INFRASTRUCTURE_CODES for diagnostic in error.diagnostics)


def output_content(context: ActionContext, reference: ResolvedReference) -> Content:
    """Return the content of a run's output, or of a path within it."""
    run = context.state.find_run(reference.address, reference.version)
    output = find_job_output(context.state, run, reference.output) if run else None
    if run is None or output is None:
        raise user_error("output-missing", f"run {reference.version} has no output {reference.output}")
    if not output.key:
        message = f"output {reference.output} of run {reference.version} is not in the store yet"
        raise user_error("output-missing", message, "run `mlgit apply`, which records the run and stores its outputs")
    content = check_run_output(context.providers, run, reference.output, output.recorded)
    if not reference.path:
        return content
    put = partial(_store_output_path, context.providers, content, reference)
    return store_once(context.providers.store, part_source(content, reference), put)


def _store_output_path(providers: Providers, content: Content, reference: ResolvedReference) -> Content:
    store = providers.store
    files = store.manifest(content)
    for file in files:
        if file.path == reference.path:
            with store.open(file.digest) as stream:
                return store.put_file(posixpath.basename(file.path), stream)
    prefix = f"{reference.path}/"
    inside = [file for file in files if file.path.startswith(prefix)]
    if not inside:
        names = join_some(_names_beside([file.path for file in files], reference.path), _MAX_NAMES) or "nothing"
        message = f"output {reference.output} of run {reference.version} has no {reference.path}; it has {names}"
        raise user_error("output-path-missing", message, "correct the path within the output")
    return store.put(
        UploadFile(file.path.removeprefix(prefix), file.mode, partial(store.open, file.digest)) for file in inside
    )


def _names_beside(paths: Sequence[str], missing: str) -> list[str]:
    """Return the paths of files and folders in the deepest folder of a missing path that is there, sorted."""
    folder = posixpath.dirname(missing)
    while folder and not any(path.startswith(f"{folder}/") for path in paths):
        folder = posixpath.dirname(folder)
    prefix = f"{folder}/" if folder else ""
    names = {path.removeprefix(prefix).partition("/")[0] for path in paths if path.startswith(prefix)}
    return [prefix + name for name in sorted(names)]


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
