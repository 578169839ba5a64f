"""Freeze a pipeline or a sweep: environments are built, files stored, and each step becomes a task.

What the steps of a graph share is done once: most have the same environment, and many the same code and data.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler import __version__
from reconciler.diagnostics import user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.engine.artifacts import output_content
from reconciler.engine.contents import ensure_version_content, store_git_content
from reconciler.engine.downloads import download_inputs
from reconciler.engine.driver.bindings import make_binding
from reconciler.engine.driver.graph import GRAPH_FILE, RUN_NAME, FrozenGraph, FrozenStep, encode_graph
from reconciler.engine.driver.reuse import make_static_key
from reconciler.engine.driver.step_contents import step_contents, without_bound_inputs
from reconciler.engine.inputs import referenced_content
from reconciler.engine.job_environment import JobEnvironment, build_job_environment
from reconciler.engine.staged import merge_source, store_once
from reconciler.engine.tasks import make_task
from reconciler.model import (
    Action,
    Json,
    LocalPath,
    ResolvedAsset,
    ResolvedReference,
    Run,
    Step,
    StepGraph,
    StepVerdict,
    VersionPath,
)
from reconciler.model.content import Content, ContentFile, UploadFile
from reconciler.model.object_store import ObjectStore
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import Prefix, Task
from reconciler.planning.compute import compute_name
from reconciler.planning.content import tracked_content
from reconciler.planning.environments import ENVIRONMENT_POINTER
from reconciler.planning.experiment_name import experiment_name
from reconciler.planning.jobs.parallel import parallel_work
from reconciler.planning.output_paths import output_paths
from reconciler.state.process import host_name
from reconciler.state.store import WriteBatch, merge_write_batches


def freeze_run(context: ActionContext, action: Action, run: Run) -> tuple[Task, Mapping[str, Json], WriteBatch]:
    """Return the task of a pipeline or a sweep for its driver: its frozen graph, stored, is the code of the task.

    Second, what to record of how it is realised, and third of the environments that were built.
    """
    resolved = resolved_asset_of(action)
    if resolved.graph is None:
        raise AssertionError(action)
    freezer = _Freezer(context, action, run, _find_previous(context, action), experiment_name(resolved.asset))
    graph = freezer.freeze(resolved.graph)
    content = context.providers.store.put_file(GRAPH_FILE, io.BytesIO(encode_graph(graph)))
    task = Task(
        run=run.id,
        address=str(run.address),
        token=run.token,
        command="",
        environment=Prefix(sys.prefix, host_name()),
        commit=run.commit,
        experiment=graph.experiment,
        workspace=graph.workspace,
        code=content,
    )
    realised: dict[str, Json] = {"experiment_name": graph.experiment, "graph": content.to_json()}
    if freezer.downloads:
        realised["downloads"] = freezer.downloads
    writes = merge_write_batches(environment.writes for environment in freezer.environments.values())
    return task, realised, writes


def _find_previous(context: ActionContext, action: Action) -> Mapping[str, StepRun]:
    """Return the steps of the newest run of the job that has some, by path."""
    record = context.transaction.record(action.address)
    same = (step.cause.partition("/")[0] for step in action.steps if step.verdict is StepVerdict.SAME)
    runs = [next(same, ""), *((record.latest, record.run) if record else ())]
    steps = next(filter(None, (context.state.find_steps(run) for run in runs if run)), ())
    return {step.step: step for step in steps}


@dataclass(slots=True)
class _Freezer:
    """What was done for the steps of one run: environments and contents, by what they are of."""

    context: ActionContext
    action: Action
    run: Run
    previous: Mapping[str, StepRun]
    experiment: str
    environments: dict[tuple[str | ResolvedReference | None, str], JobEnvironment] = field(default_factory=dict)
    downloads: dict[str, Json] = field(default_factory=dict)
    contents: dict[str | VersionPath, Content] = field(default_factory=dict)
    data: dict[ResolvedReference, Content | str] = field(default_factory=dict)
    outputs: dict[ResolvedReference, Content] = field(default_factory=dict)

    def freeze(self, graph: StepGraph) -> FrozenGraph:
        """Return the frozen graph; what cannot be downloaded is found before environments are built."""
        config = self.context.providers.config
        causes = {item.step: item.cause for item in self.action.steps if item.verdict is StepVerdict.CHANGED}
        jobs = {path: without_bound_inputs(step) for path, step in graph.steps.items()}
        contents = {path: step_contents(graph.steps[path], job, self) for path, job in jobs.items()}
        steps = [
            self._freeze_step(step, jobs[path], contents[path], causes.get(path, ""))
            for path, step in graph.steps.items()
        ]
        return FrozenGraph(
            run=self.run.id,
            token=self.run.token,
            address=str(self.run.address),
            target=self.context.state.lineage,
            steps={step.path: step for step in steps},
            outputs=graph.outputs,
            reuse_from={source.target: source.lineage for source in config.reuse_from},
            experiment=self.experiment,
            workspace=config.state,
            commit=self.run.commit,
            continues_on_failure=graph.continues_on_failure,
            is_forced=graph.is_forced,
            is_sweep=graph.is_sweep,
            retries=config.retries,
            backends={step.backend: dict(config.backends[step.backend]) for step in steps},
            version=__version__,
        )

    def _freeze_step(
        self, step: Step, job: ResolvedAsset, contents: Mapping[str, Content | str], cause: str
    ) -> FrozenStep:
        backend = self.context.providers.config.backend_of(compute_name(step.job.asset))
        environment = self._environment(step.job, backend, contents)
        run = replace(self.run, id="", token="", address=job.asset.address)
        task = make_task(self.context, job, run, environment.environment, contents)
        task = replace(task, parallel=parallel_work(step))
        previous = self.previous.get(step.path)
        spec = step.job.asset.spec
        return FrozenStep(
            path=step.path,
            backend=backend,
            task=replace(task, step=step.path, root_run=self.run.id, experiment=self.experiment),
            bindings={name: make_binding(step, name) for name in step.bindings},
            static_key=make_static_key(task, environment.fingerprint, step.sweep),
            is_deterministic=step.is_deterministic,
            sweep=step.sweep,
            cause=cause,
            previous=dict(previous.inputs) if previous else {},
            component=step.component,
            environment=environment.identity,
            environment_name=environment.name,
            environment_fingerprint=environment.fingerprint,
            output_paths=output_paths(spec, RUN_NAME),
        )

    def _environment(self, job: ResolvedAsset, backend: str, contents: Mapping[str, Content | str]) -> JobEnvironment:
        implicit = job.environment
        key = (implicit.fingerprint if implicit else job.references.get(ENVIRONMENT_POINTER), backend)
        if key not in self.environments:
            self.environments[key] = build_job_environment(self.context, self.action, job, backend, contents)
        return self.environments[key]

    def of_path(self, path: LocalPath) -> Content:
        if path.path not in self.contents:
            content = tracked_content(self.context.tree, path.path)
            self.contents[path.path] = store_git_content(self.context.providers, content)
        return self.contents[path.path]

    def of_version(self, path: VersionPath) -> Content:
        """Return a content of a registered version, such as the code of a component; restored from Git if need be."""
        if path not in self.contents:
            record = self.context.state.find_version(path.address, path.version)
            recorded = record.realised.get("contents", {}).get(path.pointer) if record else None
            if record is None or not recorded:
                version = path.address.format_with_version(path.version)
                message = f"{version} has no {path.pointer.strip('/')} in the store"
                raise user_error("content-missing", message, "register a new version of the component")
            ensure_version_content(self.context.providers, self.context.tree, record)
            self.contents[path] = Content.from_json(recorded)
        return self.contents[path]

    def of_data(self, reference: ResolvedReference, name: str) -> Content | str:
        if reference not in self.data:
            self.data[reference] = referenced_content(self.context, reference, name)
        return self.data[reference]

    def of_output(self, reference: ResolvedReference) -> Content:
        if reference not in self.outputs:
            self.outputs[reference] = output_content(self.context, reference)
        return self.outputs[reference]

    def of_downloads(self, step: Step, job: ResolvedAsset) -> Mapping[str, Content]:
        downloads = download_inputs(self.context, self.action._replace(resolved=job), step.places)
        self.downloads |= {f"/{step.path}{pointer}": download.to_json() for pointer, download in downloads.items()}
        return {pointer: download.content for pointer, download in downloads.items()}

    def merge(self, parts: list[tuple[str, Content]]) -> Content:
        source = merge_source(parts)
        if source not in self.contents:
            store = self.context.providers.store
            self.contents[source] = store_once(store, source, lambda: _merge(store, parts))
        return self.contents[source]


def _merge(store: ObjectStore, parts: list[tuple[str, Content]]) -> Content:
    files: dict[str, ContentFile] = {}
    for name, content in parts:
        prefix = f"{name}/" if content.is_folder and name else ""
        files |= {prefix + file.path: file for file in store.manifest(content)}
    return store.put(
        UploadFile(path, file.mode, partial(store.open, file.digest)) for path, file in sorted(files.items())
    )
