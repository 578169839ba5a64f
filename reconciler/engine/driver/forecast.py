"""Forecast which steps of a pipeline are reused: what its driver would decide first, with nothing stored or changed.

A content of Git that never was in the store is new, and so is what a step makes of it. A plan that shows the forecast
does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from reconciler.config.config import Config
from reconciler.engine.driver.bindings import make_binding
from reconciler.engine.driver.decisions import Table, decide_steps
from reconciler.engine.driver.graph import FrozenGraph, FrozenStep
from reconciler.engine.driver.reuse import ReuseIndex, make_static_key
from reconciler.engine.driver.step_contents import step_contents, without_bound_inputs
from reconciler.engine.fetched import find_fetched
from reconciler.engine.staged import find_staged, git_source, merge_source, part_source, with_git_name
from reconciler.engine.tasks import describe_task
from reconciler.model import (
    Address,
    Asset,
    LocalPath,
    Record,
    Reference,
    ResolvedAsset,
    ResolvedReference,
    RunStatus,
    State,
    Step,
    StepForecast,
    StepGraph,
    StepVerdict,
    Tree,
    VersionPath,
)
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Prefix
from reconciler.planning.content import tracked_content
from reconciler.planning.data_places import Datastores
from reconciler.planning.environments import ENVIRONMENT_POINTER
from reconciler.planning.job_outputs import find_job_output
from reconciler.planning.jobs.parallel import parallel_work
from reconciler.planning.uri_inputs import UriInput, find_location, find_uri_inputs, is_stored_model

_T = TypeVar("_T")
_NO_ENVIRONMENT = Prefix("", "")  # which one it is counts in a key, not where it is


class _UnknownContentError(Exception):
    """What a content is, is not known: it never was in the store."""


@dataclass(frozen=True, slots=True)
class KnownContents:
    """The contents of steps as far as the live state and the store know them. Nothing is stored.

    ``planned`` are the versions that the plan registers, with their contents of Git.
    """

    store: ObjectStore
    tree: Tree
    state: State
    config: Config
    planned: Mapping[tuple[Address, str], ResolvedAsset]
    _known: dict[str, Content | None] = field(default_factory=dict)

    def of_path(self, path: LocalPath) -> Content:
        content = tracked_content(self.tree, path.path)
        return with_git_name(content, self._find(git_source(content)))

    def of_version(self, path: VersionPath) -> Content:
        registered = self._registered(path.address, path.version)
        if isinstance(registered, Record):
            return Content.from_json(_known(registered.realised.get("contents", {}).get(path.pointer)))
        asset = registered.asset
        return self.of_path(_known(next((item for item in asset.paths if item.pointer == path.pointer), None)))

    def of_data(self, reference: ResolvedReference, name: str) -> Content | str:
        del name
        registered = self._registered(reference.address, reference.version)
        if isinstance(registered, Record):
            recorded = registered.realised.get("contents", {}).get("/path")
            is_stored = recorded and (find_location(registered) is None or is_stored_model(registered))
            return Content.from_json(recorded) if is_stored else str(registered.spec["path"])
        if output := next((item for item in registered.references.values() if item.output), None):
            return self.of_output(output)
        path = next((item for item in registered.asset.paths if item.pointer == "/path"), None)
        return self.of_path(path) if path else str(registered.asset.spec["path"])

    def of_output(self, reference: ResolvedReference) -> Content:
        run = self.state.find_run(reference.address, reference.version)
        output = _known(find_job_output(self.state, run, reference.output) if run else None)
        if not output.key:
            raise _UnknownContentError
        content = Content.from_json(output.recorded)
        return self._find(part_source(content, reference)) if reference.path else content

    def of_downloads(self, step: Step, job: ResolvedAsset) -> Mapping[str, Content]:
        del step

        def find_target(reference: Reference) -> Asset | Record | None:
            target = job.references.get(reference.pointer)
            if target is None:
                return None
            registered = self._registered(target.address, target.version)
            return registered if isinstance(registered, Record) else registered.asset

        datastores = Datastores(self.config, current=self.state.current)
        inputs = (item for item in find_uri_inputs(job.asset, datastores, find_target) if item.is_reachable)
        return {item.pointer: self._of_uri(item) for item in inputs}

    def _of_uri(self, uri_input: UriInput) -> Content:
        """Return what a URI stands for; what is at a path that no version has pinned is not known."""
        if uri_input.place is None:
            return _known(self.state.find_download(uri_input.uri)).content
        return uri_input.content or find_fetched(self.store, _known(uri_input.pinned)) or _known(None)

    def merge(self, parts: list[tuple[str, Content]]) -> Content:
        return self._find(merge_source(parts))

    def _registered(self, address: Address, version: str) -> Record | ResolvedAsset:
        """Return a version as it is registered, or else as the plan registers it."""
        registered, planned = self.state.find_version(address, version), self.planned.get((address, version))
        return registered or planned or _known(self.state.current.get(address))

    def _find(self, source: str) -> Content:
        if source not in self._known:
            self._known[source] = find_staged(self.store, source)
        return _known(self._known[source])


def _known(value: _T | None) -> _T:
    if value is None:
        raise _UnknownContentError
    return value


def forecast_reuse(graph: StepGraph, plan: Sequence[StepForecast], contents: KnownContents) -> tuple[StepForecast, ...]:
    """Return what the driver of a pipeline would decide of each step if it started now; ``plan`` has the causes."""
    planned = {item.step: item for item in plan}
    target = contents.state.lineage
    others = {source.target: source.lineage for source in contents.config.reuse_from}
    steps = {path: _freeze_step(step, planned.get(path), contents) for path, step in graph.steps.items()}
    frozen = FrozenGraph("", "", "", target, steps, continues_on_failure=graph.continues_on_failure)
    table = decide_steps(frozen, {}, ReuseIndex(contents.store, target, others).look_up)
    return tuple(_forecast(step, table, planned.get(path)) for path, step in steps.items())


def _freeze_step(step: Step, planned: StepForecast | None, contents: KnownContents) -> FrozenStep:
    """Return a step as it would be frozen, as far as its key needs that; an unknown content makes the key a new one."""
    cause = planned.cause if planned and planned.verdict is StepVerdict.CHANGED else ""
    job = without_bound_inputs(step)
    try:
        known, environment = step_contents(step, job, contents), _environment_fingerprint(step.job, contents.state)
        task = describe_task(job, _NO_ENVIRONMENT, known, contents.config.mirrors)
        task = replace(task, parallel=parallel_work(step))
        key = make_static_key(task, environment, step.sweep)
    except _UnknownContentError:
        task, key = describe_task(job, _NO_ENVIRONMENT, {}, contents.config.mirrors), f"unknown {step.path}"
    bindings = {name: make_binding(step, name) for name in step.bindings}
    return FrozenStep(step.path, "", task, bindings, key, step.is_deterministic, step.sweep, cause)


def _environment_fingerprint(job: ResolvedAsset, state: State) -> str:
    if job.environment is not None:
        return job.environment.fingerprint
    reference = _known(job.references.get(ENVIRONMENT_POINTER))
    record = state.find_version(reference.address, reference.version)
    return record.fingerprint if record else reference.fingerprint


def _forecast(step: FrozenStep, table: Table, planned: StepForecast | None) -> StepForecast:
    run = table.get(step.path)
    if run is None:
        open_need = (need for need in step.needs if need not in table or table[need].status is not RunStatus.COMPLETED)
        return StepForecast(step.path, StepVerdict.KNOWN_LATER, next(open_need))
    if run.reused_from:
        return StepForecast(step.path, StepVerdict.SAME, run.reused_from)
    if planned and planned.verdict is StepVerdict.KNOWN_LATER and planned.cause not in step.needs:
        return planned  # after another job
    return StepForecast(step.path, StepVerdict.CHANGED, run.message or run.reason)
