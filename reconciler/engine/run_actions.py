"""The actions on runs: submit one, cancel one, and record how one ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of, run_of
from reconciler.engine.artifacts import is_infrastructure_error, store_asset_contents
from reconciler.engine.downloads import download_inputs
from reconciler.engine.driver.freeze import freeze_run
from reconciler.engine.inputs import referenced_contents
from reconciler.engine.job_environment import build_job_environment
from reconciler.engine.run_conditions import cancel_and_wait
from reconciler.engine.task_contents import check_task_contents
from reconciler.engine.tasks import make_task
from reconciler.engine.written_outputs import write_outputs, write_step_outputs
from reconciler.model import Action, Json, ResolvedAsset, Run, RunStatus
from reconciler.model.backend import RunResult
from reconciler.model.content import Content
from reconciler.model.step_runs import DRIVER
from reconciler.model.tasks import Task
from reconciler.planning.output_paths import output_paths
from reconciler.planning.refresh import WRITE_AGAIN, has_pending_writes
from reconciler.state.store import WriteBatch, merge_write_batches
from reconciler.timestamps import utc_timestamp

_NO_RESULT = RunResult()


def submit_run(context: ActionContext, action: Action) -> WriteBatch:
    """Submit a run. Its intent is written first, so that an apply after a crash finds the run by its token."""
    resolved, report_progress = resolved_asset_of(action), context.progress_reporter(action)
    run = replace(
        run_of(action),
        commit=context.source.effective_commit,
        submitted_at=utc_timestamp("milliseconds"),  # runs are listed in this order
    )
    backend = context.providers.backend(run.backend)
    make = _make_command_task if resolved.graph is None else freeze_run
    task, realised, writes = make(context, action, run)
    check_task_contents(context.providers.store, task, backend)
    run = replace(run, realised=realised)
    intent = merge_write_batches([writes, _submission_writes(context, action, run)])
    context.transaction.write_now(intent, action)
    handle = backend.submit(task, context.providers.store)
    report_progress(f"run {run.id}" + (f" on {run.backend}" if resolved.graph is None else ""))
    return _submission_writes(context, action, replace(run, status=RunStatus.QUEUED, handle=handle))


def _make_command_task(context: ActionContext, action: Action, run: Run) -> tuple[Task, Mapping[str, Json], WriteBatch]:
    """Return the task of a run, with its environment built; what to record of how it is realised, and of the build."""
    resolved = resolved_asset_of(action)
    downloads = download_inputs(context, action)
    contents: dict[str, Content | str] = {**referenced_contents(context, resolved)}
    contents |= store_asset_contents(context, resolved)
    contents |= {pointer: download.content for pointer, download in downloads.items()}
    built = build_job_environment(context, action, resolved, run.backend, contents)
    task = make_task(context, resolved, run, built.environment, contents)
    realised: dict[str, Json] = {"environment": built.identity, "experiment_name": task.experiment}
    if downloads:
        realised["downloads"] = {pointer: download.to_json() for pointer, download in downloads.items()}
    return task, realised, built.writes


def record_finished_run(context: ActionContext, action: Action) -> WriteBatch:
    """Record how a run ended, with its steps if it has some; what is left of a lost run is stopped first."""
    run = run_of(action)
    if action.reason == WRITE_AGAIN:
        return _write_outputs_again(context, action, run)
    if run.status is RunStatus.LOST:
        if run.handle is not None:
            context.providers.backend(run.backend).cancel(run.handle)
        run = replace(run, ended_at=run.ended_at or utc_timestamp())
    return _record_end(context, action, run)


def cancel_run(context: ActionContext, action: Action) -> WriteBatch:
    """Cancel a run; if it ended by itself before that, it is recorded as it ended."""
    canceled = run_of(action)
    backend = context.providers.backend(canceled.backend)
    run = cancel_and_wait(backend, replace(canceled, failure=""))
    if run.status not in (RunStatus.COMPLETED, RunStatus.FAILED):  # canceled, or lost
        run = replace(run, status=RunStatus.CANCELED, failure=canceled.failure, message="", ended_at=utc_timestamp())
    return _record_end(context, action, run)


def adopt_experiment(context: ActionContext, resolved: ResolvedAsset, run: Run, writes: WriteBatch) -> WriteBatch:
    """Return writes that make a run one of its job, with the versions that it refers to, if it was an experiment."""
    recorded = context.state.find_run(run.address, run.id)
    if recorded is None or not recorded.experiment:
        return writes
    own = writes.runs or (replace(run, experiment=False, references=resolved.references),)
    return writes._replace(runs=own, removed_experiments=(recorded,))


def _submission_writes(context: ActionContext, action: Action, run: Run) -> WriteBatch:
    if run.experiment:
        return WriteBatch(runs=(run,))
    record = context.make_record(action)
    older = (context.state.find_run(run.address, run_id) for run_id in record.unfinished)
    open_runs = (older_run.id for older_run in older if older_run is not None and older_run.is_unfinished)
    unfinished = tuple(dict.fromkeys((*open_runs, run.id)))
    writes = WriteBatch(current=(replace(record, latest=run.id, unfinished=unfinished),), runs=(run,))
    return adopt_experiment(context, resolved_asset_of(action), run, writes)


def _record_end(context: ActionContext, action: Action, run: Run) -> WriteBatch:
    """Return what records the end of a run; what it has left is collected if it completed, steps in any case."""
    is_collected = run.status is RunStatus.COMPLETED or (run.backend == DRIVER and run.status is not RunStatus.LOST)
    if not is_collected or run.handle is None:
        return _run_end_writes(context, run)
    try:
        result = context.providers.backend(run.backend).collect(run.handle, context.providers.store)
    except UserError as error:
        if is_infrastructure_error(error) or run.status is not RunStatus.COMPLETED:
            raise
        raise _record_lost_outputs(context, action, run, error) from error
    if unknown := result.outputs.keys() - run.outputs.keys():
        message = f"the backend {run.backend} returned an output that run {run.id} does not have: {min(unknown)}"
        raise user_error("backend-broken", message, "report this to the authors of the backend")
    paths = {name: {"path": path} for name, path in output_paths(run.spec, run.id).items()}
    outputs = {
        name: {**run.outputs[name], **content.to_json(), **paths.get(name, {})}
        for name, content in result.outputs.items()
    }
    outputs = write_outputs(context, action, f"run {run.id}", outputs)
    result = replace(result, steps=write_step_outputs(context, action, result.steps))
    return _run_end_writes(context, replace(run, outputs=outputs) if outputs else run, result)


def _write_outputs_again(context: ActionContext, action: Action, run: Run) -> WriteBatch:
    """Write the outputs of a run and of its steps that could not be written before, and record what became of them."""
    outputs = write_outputs(context, action, f"run {run.id}", run.outputs, again=True)
    steps = write_step_outputs(context, action, context.state.find_steps(run.id), again=True)
    return _run_end_writes(context, replace(run, outputs=outputs), RunResult(steps=steps))


def _record_lost_outputs(context: ActionContext, action: Action, run: Run, error: UserError) -> UserError:
    """Record a run as failed that completed, and whose outputs cannot be stored; return the error to raise."""
    message = f"run {run.id} completed, but its outputs cannot be stored: {error.diagnostics[0].message}"
    failed = replace(run, status=RunStatus.FAILED, failure="user", message=message)
    context.transaction.write_now(_run_end_writes(context, failed), action)
    hint = f"the run is recorded as failed: fix the job, or run it again with `mlgit job rerun {run.address.name}`"
    return user_error("output-not-kept", message, hint)


def _run_end_writes(context: ActionContext, run: Run, result: RunResult = _NO_RESULT) -> WriteBatch:
    """Return what records the end of a run; the newest run becomes current if it completed."""
    steps = {run.id: result.steps} if result.steps else {}
    record = context.transaction.record(run.address)
    if record is None or run.experiment:
        return WriteBatch(runs=(run,), steps=steps)
    unfinished = tuple(run_id for run_id in record.unfinished if run_id != run.id)
    if has_pending_writes(run, result.steps):
        unfinished = (*unfinished, run.id)
    ended = replace(record, unfinished=unfinished)
    if run.id == record.latest and run.status is RunStatus.COMPLETED:
        ended = replace(ended, run=run.id)
    return WriteBatch(current=(ended,) if ended != record else (), runs=(run,), steps=steps)
