"""What is known of each step before a pipeline is submitted: as in an earlier run, changed, or known after another.

Only Git and the live state are asked. Whether the store still has an earlier result is found out when the run reaches
the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.abbreviation import pluralize
from reconciler.format.assets import kind_of
from reconciler.format.pointers import split_pointer
from reconciler.model import (
    EMPTY_MAPPING,
    Json,
    LocalPath,
    Record,
    ResolvedAsset,
    Run,
    RunStatus,
    Step,
    StepForecast,
    StepGraph,
    StepRun,
    StepVerdict,
    Tree,
)
from reconciler.planning.content import changed_files, has_content, tracked_content
from reconciler.planning.decision import ignore_equal_content
from reconciler.planning.diff import FieldChange, diff_fields
from reconciler.planning.environments import ENVIRONMENT_POINTER, is_anonymous
from reconciler.planning.fingerprint import readable_fields
from reconciler.planning.jobs.parallel_fields import NOT_OF_THE_RESULT
from reconciler.planning.jobs.sources import FindComponent
from reconciler.planning.resolve import PlanContext, component_finder
from reconciler.planning.steps import recorded_job, with_steps

_INPUTS, _OUTPUTS = "inputs", "outputs"
_REQUESTED_AGAIN = "it was requested again"
_FORCED = "settings.force_rerun: true"
_NOT_DETERMINISTIC = "is_deterministic: false"
_NO_EARLIER_RUN = "no earlier run"
# What another run of a step may have otherwise and still have its result.
_NOT_OF_THE_RESULT = frozenset({"type", "experiment_name"})


class _EarlierRun(NamedTuple):
    """A run of the same job that has ended, its graph, and what became of its steps."""

    run: Run
    graph: StepGraph
    steps: Mapping[str, StepRun]


def forecast_steps(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, attempts: Iterable[Run] = ()
) -> tuple[StepForecast, ...]:
    """Return what is known of the steps of a job that is submitted; nothing for a job without steps."""
    if resolved.graph is None:
        return ()
    earlier = next(_earlier_runs(context, resolved, record, attempts), None)
    forecasts: dict[str, StepForecast] = {}
    for step in resolved.graph.steps.values():
        cause = _own_cause(context, resolved.graph, step, earlier)
        forecasts[step.path] = _forecast(step, cause, earlier, forecasts)
    return tuple(forecasts.values())


def _forecast(
    step: Step, cause: str, earlier: _EarlierRun | None, forecasts: Mapping[str, StepForecast]
) -> StepForecast:
    if cause or earlier is None:
        return StepForecast(step.path, StepVerdict.CHANGED, cause or _NO_EARLIER_RUN)
    if late := _late_cause(step, forecasts):
        return StepForecast(step.path, StepVerdict.KNOWN_LATER, late)
    origin = earlier.steps[step.path].reused_from or f"{earlier.run.id}/{step.path}"
    return StepForecast(step.path, StepVerdict.SAME, origin)


def _late_cause(step: Step, forecasts: Mapping[str, StepForecast]) -> str:
    """Return the step or the job whose output decides if a step is as before, "" for none."""
    for reference in step.job.asset.references:
        if reference.output and reference.pointer not in step.job.references:
            return str(reference.address)
    upstream = (forecasts.get(output.step) for output in step.bindings.values())
    return next((item.step for item in upstream if item is not None and item.verdict is not StepVerdict.SAME), "")


def _earlier_runs(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, attempts: Iterable[Run]
) -> Iterator[_EarlierRun]:
    """Yield the runs of a job whose steps can be reused, the newest first."""
    find_component = component_finder(context)
    newest_first = [run.id for run in attempts][::-1]
    run_ids = dict.fromkeys((*newest_first, *((record.latest, record.run) if record else ())))
    for run_id in filter(None, run_ids):
        run = context.state.find_run(resolved.asset.address, run_id)
        steps = context.state.find_steps(run_id) if run is not None else ()
        if run is not None and steps:
            graph = _recorded_graph(context, resolved, run, find_component)
            if graph is not None and not graph.is_forced:  # of a forced run nothing is kept for reuse
                yield _EarlierRun(run, graph, {step.step: step for step in steps})


def _recorded_graph(
    context: PlanContext, resolved: ResolvedAsset, run: Run, find_component: FindComponent
) -> StepGraph | None:
    """Return the steps that a run had; if the job was as it is now, they are those of the job."""
    recorded = (run.spec, run.contents, run.references)
    if recorded == (resolved.asset.spec, resolved.contents, resolved.references):
        return resolved.graph
    return with_steps(recorded_job(run, resolved.asset.source), find_component, context.state.find_pin).graph


def _own_cause(context: PlanContext, graph: StepGraph, step: Step, earlier: _EarlierRun | None) -> str:
    """Return why a step runs whatever other steps write, "" if that is not known."""
    if graph.is_forced:
        return _FORCED
    if not step.is_deterministic:
        return _NOT_DETERMINISTIC
    before = earlier.graph.steps.get(step.path) if earlier else None
    ended = earlier.steps.get(step.path) if earlier else None
    if earlier is None or before is None or ended is None:
        return _NO_EARLIER_RUN
    if changes := _changes(context, step, before, earlier.run):
        others = f" and {pluralize(len(changes) - 1, 'other change')}" if len(changes) > 1 else ""
        return f"{changes[0]}{others}"
    if not before.is_deterministic:
        return f"{earlier.run.id} had is_deterministic: false"
    return _ending_cause(ended, earlier.run) or (_REQUESTED_AGAIN if graph.is_sweep else "")


def _ending_cause(ended: StepRun, run: Run) -> str:
    """Return why the result of an earlier run is not reused, by how that ended: a time limit can cut a sweep off."""
    if ended.status is not RunStatus.COMPLETED:
        return f"it {_ENDINGS[ended.status]} in {run.id}"
    return f"in {run.id} {ended.message}" if ended.message else ""


_ENDINGS = dict.fromkeys(RunStatus, "did not complete") | {
    RunStatus.FAILED: "failed",
    RunStatus.CANCELED: "was canceled",
    RunStatus.LOST: "was lost",
    RunStatus.NOT_STARTED: "was not started",
}


def _changes(context: PlanContext, step: Step, before: Step, run: Run) -> tuple[FieldChange, ...]:
    if _is_equal(step, before):
        return ()
    references = {
        pointer: ignore_equal_content(reference, step.job.references.get(pointer))
        for pointer, reference in before.job.references.items()
    }
    late = [item for item in step.job.asset.references if item.output and item.pointer not in step.job.references]
    old = _result_fields(before._replace(job=before.job._replace(references=references)))
    new = _result_fields(step)
    for reference in late:  # what the input will be is not known, so it is no difference
        name = split_pointer(reference.pointer)[1]
        old[_INPUTS] = {**old.get(_INPUTS, {}), name: new[_INPUTS][name]}
    return () if old == new else diff_fields(old, new, _changed_files(context, step, before, run))


def _is_equal(step: Step, before: Step) -> bool:
    """Return True if two steps are written alike, and have the same contents: most of a pipeline are."""
    new, old = (
        (item.job.asset.spec, item.job.contents, item.job.references, item.bindings, item.sweep, item.parallel)
        for item in (step, before)
    )
    return new == old


def _result_fields(step: Step) -> dict[str, Json]:
    """Return what decides the result of a step, as a person compares it."""
    job, asset = step.job, step.job.asset
    fields: dict[str, Json] = dict(
        readable_fields(kind_of(asset), asset.spec, job.contents, job.references, affecting=True)
    )
    inputs = {name: _without_mode(value) for name, value in fields.get(_INPUTS, {}).items()}
    inputs |= {name: {**inputs[name], "path": str(output)} for name, output in step.bindings.items()}
    outputs = {name: {"type": value.get("type")} for name, value in fields.get(_OUTPUTS, {}).items()}
    environment = job.environment
    if environment is not None and is_anonymous(environment.asset.address):
        asset = environment.asset
        own = readable_fields(kind_of(asset), asset.spec, environment.contents, {}, affecting=True)
        fields[ENVIRONMENT_POINTER[1:]] = dict(own)
    fields |= {_INPUTS: inputs, _OUTPUTS: outputs}
    if step.sweep is not None:
        limits = step.sweep.get("limits") or {}
        fields |= {**step.sweep, "limits": {"max_total_trials": limits.get("max_total_trials")}}
    if step.parallel is not None:
        fields |= {name: value for name, value in step.parallel.items() if name not in NOT_OF_THE_RESULT}
    return {name: value for name, value in fields.items() if name not in _NOT_OF_THE_RESULT and value not in ({}, None)}


def _without_mode(value: Json) -> Json:
    if not isinstance(value, Mapping):
        return value
    return {key: item for key, item in value.items() if key != "mode"}


def _changed_files(context: PlanContext, step: Step, before: Step, run: Run) -> Mapping[str, tuple[str, ...]]:
    """Return the files that changed behind each path of a step, if Git still has the tree that was submitted."""
    applied: Tree | None = None
    files: dict[str, tuple[str, ...]] = {}
    for path in (*step.job.asset.paths, *_component_paths(context, step)):
        old, new = before.job.contents.get(path.pointer), step.job.contents.get(path.pointer)
        if old is None or old == new:
            continue
        applied = applied or (context.tree.tree_at_commit(run.commit) if run.commit else None)
        if applied is None:
            return EMPTY_MAPPING
        if has_content(applied, path.path):
            contents = (tracked_content(tree, path.path) for tree in (applied, context.tree))
            files[path.pointer] = changed_files(*contents)
    return files


def _component_paths(context: PlanContext, step: Step) -> Iterator[LocalPath]:
    """Yield the paths of the registered components of a step, as far as files declare them."""
    for pointer, version_path in step.version_paths.items():
        declared = context.declared.assets.get(version_path.address)
        paths = declared.paths if declared is not None else ()
        yield from (path._replace(pointer=pointer) for path in paths if path.pointer == version_path.pointer)
