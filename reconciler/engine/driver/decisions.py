"""What the driver decides next: a function of the frozen graph and of what happened so far. Nothing is done here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from reconciler.abbreviation import join_some
from reconciler.engine.driver.graph import FrozenGraph, FrozenStep
from reconciler.engine.driver.reuse import Found, reuse_key, run_reason
from reconciler.model import Json, RunStatus, StepOutput
from reconciler.model.content import Content
from reconciler.model.step_runs import StepRun

Table = Mapping[str, StepRun]
FindReusable = Callable[[str], Found]
_RETRIED_FAILURES = ("staging", "engine")
CANCELED_MESSAGE = "the run was canceled"


def is_retried(graph: FrozenGraph, run: StepRun) -> bool:
    """Return True if an attempt ended for no reason of its own, and another one is left."""
    is_lost = run.status is RunStatus.LOST or (run.status is RunStatus.FAILED and run.failure in _RETRIED_FAILURES)
    return is_lost and bool(run.token) and run.attempt <= graph.retries


def is_final(graph: FrozenGraph, run: StepRun | None) -> bool:
    """Return True if nothing more happens to a step."""
    return run is not None and not run.status.is_active and not is_retried(graph, run)


def has_failed(graph: FrozenGraph, run: StepRun | None) -> bool:
    """Return True if a step has ended, and not completed; one that never started because of another one counts too."""
    return run is not None and is_final(graph, run) and run.status is not RunStatus.COMPLETED


def find_stop_reason(graph: FrozenGraph, table: Table, *, is_canceled: bool) -> str:
    """Return why nothing more is started and all that runs is canceled, "" if it is not so."""
    if is_canceled:
        return CANCELED_MESSAGE
    if graph.continues_on_failure:
        return ""
    failed = next((path for path in graph.steps if has_failed(graph, table.get(path))), "")
    return f"step {failed} failed, and settings.continue_on_step_failure is false" if failed else ""


def decide_steps(
    graph: FrozenGraph, table: Table, find_reusable: FindReusable, *, is_canceled: bool = False
) -> dict[str, StepRun]:
    """Return the new state of the steps that something is decided about, by path, in the order of the graph.

    A step that is reused can decide about the next ones at once. ``find_reusable`` looks a key up in the index.
    """
    stop_reason = find_stop_reason(graph, table, is_canceled=is_canceled)
    decided: dict[str, StepRun] = {}
    for path, step in graph.steps.items():
        recorded = table.get(path)
        if recorded is not None and (is_final(graph, recorded) or recorded.status.is_active):
            continue
        if recorded is not None:
            decision: StepRun | None = _decide_lost(graph, recorded, stop_reason)
        elif stop_reason:
            decision = step.not_started(stop_reason)
        else:
            needs = {need: decided.get(need) or table.get(need) for need in step.needs}
            decision = _decide_start(graph, step, needs, find_reusable)
        if decision is not None:
            decided[path] = decision
            if not graph.continues_on_failure and not stop_reason:
                stop_reason = find_stop_reason(graph, {**table, **decided}, is_canceled=False)
    return decided


def _decide_lost(graph: FrozenGraph, lost: StepRun, stop_reason: str) -> StepRun:
    """Return what becomes of a step whose last attempt was lost, and which has another one."""
    if stop_reason:
        return replace(lost, status=RunStatus.CANCELED, failure="user", message=stop_reason)
    return next_attempt(graph, lost)


def _decide_start(
    graph: FrozenGraph, step: FrozenStep, needs: Mapping[str, StepRun | None], find_reusable: FindReusable
) -> StepRun | None:
    """Return what becomes of a step that has not started; None if it waits for another one."""
    blocking = next((need for need, run in needs.items() if has_failed(graph, run)), "")
    if blocking:
        return step.not_started(_blocked_message(blocking, needs[blocking]))
    ready = {need: run for need, run in needs.items() if run is not None and run.status is RunStatus.COMPLETED}
    return _start_step(graph, step, ready, find_reusable) if len(ready) == len(needs) else None


def _blocked_message(need: str, run: StepRun | None) -> str:
    """Return why a step never starts: the step that failed, also if that is farther up."""
    if run is not None and run.status is RunStatus.NOT_STARTED and run.message:
        return run.message
    return f"step {need} {'was canceled' if run is not None and run.status is RunStatus.CANCELED else 'failed'}"


def _start_step(
    graph: FrozenGraph, step: FrozenStep, needs: Mapping[str, StepRun], find_reusable: FindReusable
) -> StepRun:
    """Return a step whose inputs are all known: reused, intended, or failed for want of an input."""
    sources = {name: binding.source for name, binding in step.bindings.items()}
    missing = next((name for name, source in sources.items() if not _has_files(needs, source)), "")
    if missing:
        source = sources[missing]
        message = f"inputs.{missing} has no files: step {source.step} has written nothing to its output {source.output}"
        return replace(step.not_started(), status=RunStatus.FAILED, failure="user", message=message, attempt=1)
    contents = bound_contents(step, needs)
    inputs = {**step.inputs(), **{name: content.sha256 for name, content in contents.items()}}
    key = reuse_key(step.static_key, {name: content.sha256 for name, content in contents.items()})
    may_reuse = step.is_deterministic and graph.reuses_results
    found = find_reusable(key) if may_reuse else Found()
    fresh = replace(step.not_started(), inputs=inputs, key=key)
    if found.step is not None:
        run = graph.child_run(step.path, graph.child_token(step.path, 1))  # the one that there would be
        return _reused(fresh, found.step, found.origin, step.with_paths(found.step.outputs, run))
    reason = run_reason(graph, step, inputs, is_dropped=found.is_dropped)
    return _attempt(graph, replace(fresh, reason=reason), 1)


def _reused(fresh: StepRun, origin: StepRun, name: str, outputs: Mapping[str, Json]) -> StepRun:
    """Return a step with the result of another one: its outputs, at the paths of this one, its metrics and log."""
    return replace(
        fresh,
        status=RunStatus.COMPLETED,
        backend=origin.backend,
        handle=origin.handle,
        outputs=outputs,
        metrics=origin.metrics,
        params=origin.params,
        exit_code=origin.exit_code,
        reused_from=name,
    )


def next_attempt(graph: FrozenGraph, run: StepRun) -> StepRun:
    """Return the next attempt of a step or a trial whose last one was lost."""
    how = "was lost" if run.status is RunStatus.LOST else f"failed ({run.failure})"
    cleared = replace(
        run,
        handle=None,
        failure="",
        message="",
        exit_code=None,
        started_at="",
        ended_at="",
        outputs={},
        metrics={},
        best_value=None,
    )
    reason = f"attempt {run.attempt} {how}" + (f": {run.message}" if run.message else "")
    return _attempt(graph, replace(cleared, reason=reason), run.attempt + 1)


def _attempt(graph: FrozenGraph, run: StepRun, attempt: int) -> StepRun:
    """Return an attempt of a step as it is intended; a sweep has no run of its own."""
    token = graph.child_token(run.step, attempt)
    is_sweep = run.step in graph.steps and graph.steps[run.step].sweep is not None
    child = "" if is_sweep else graph.child_run(run.step, token)
    return replace(run, status=RunStatus.INTENDED, attempt=attempt, token=token, run=child)


def new_trial(graph: FrozenGraph, trial: StepRun) -> StepRun:
    """Return the first attempt of a trial."""
    return _attempt(graph, trial, 1)


def bound_contents(step: FrozenStep, needs: Table) -> dict[str, Content]:
    """Return the contents of the inputs of a step that are outputs of other steps, which have completed."""
    return {
        name: Content.from_json(needs[binding.source.step].outputs[binding.source.output])
        for name, binding in step.bindings.items()
    }


def _has_files(needs: Mapping[str, StepRun], source: StepOutput) -> bool:
    return bool(needs[source.step].outputs.get(source.output, {}).get("files"))


def is_ended(graph: FrozenGraph, table: Table) -> bool:
    """Return True if nothing more happens to any step, nor to a trial."""
    return all(is_final(graph, table.get(path)) for path in graph.steps) and not any(
        run.status.is_active for run in table.values()
    )


def runs_to_cancel(graph: FrozenGraph, table: Table, *, is_canceled: bool) -> Iterator[StepRun]:
    """Yield the active runs of steps and trials if all of them are to be canceled."""
    if find_stop_reason(graph, table, is_canceled=is_canceled):
        yield from (run for run in table.values() if run.status.is_active and run.run)


def failure_message(graph: FrozenGraph, table: Table) -> str:
    """Return one line about the steps that failed, "" if none did."""
    failed = [table[path] for path in graph.steps if path in table and has_failed(graph, table[path])]
    texts = [_describe_failure(run) for run in failed if run.status is not RunStatus.NOT_STARTED]
    return join_some(texts, separator="; ")


def _describe_failure(run: StepRun) -> str:
    verb = {RunStatus.CANCELED: "was canceled", RunStatus.LOST: "was lost"}.get(run.status, "failed")
    return f"step {run.step} {verb}" + (f": {run.message}" if run.message else "")
