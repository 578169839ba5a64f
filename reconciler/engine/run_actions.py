"""The actions on runs: submit one, cancel one, and record how one ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of, run_of
from reconciler.engine.artifacts import is_infrastructure_error, make_task
from reconciler.engine.builds import (
    EnvironmentToBuild,
    build_environment,
    choose_builder,
    environment_to_build,
    new_builds,
)
from reconciler.engine.downloads import download_inputs
from reconciler.engine.providers import Providers
from reconciler.engine.run_conditions import cancel_and_wait
from reconciler.model import Action, ResolvedAsset, Run, RunStatus
from reconciler.model.builder import Built, ReportProgress
from reconciler.model.content import Content
from reconciler.planning.environments import ENVIRONMENT_POINTER, new_pin
from reconciler.planning.output_paths import output_paths
from reconciler.state.store import WriteBatch, merge_write_batches
from reconciler.timestamps import utc_timestamp


def submit_run(context: ActionContext, action: Action) -> WriteBatch:
    """Submit a run. Its intent is written first, so that an apply after a crash finds the run by its token."""
    resolved, report_progress = resolved_asset_of(action), context.progress_reporter(action)
    run = replace(
        run_of(action),
        commit=context.source.effective_commit,
        submitted_at=utc_timestamp("milliseconds"),  # runs are listed in this order
    )
    downloads = download_inputs(context, action)
    built, writes = _build_job_environment(context, resolved, run.backend, report_progress)
    backend = context.providers.backend(run.backend)
    task = make_task(context, resolved, run, built.environment, downloads)
    downloaded = {pointer: download.to_json() for pointer, download in downloads.items()}
    realised = {"environment": built.identity, "experiment_name": task.experiment}
    run = replace(run, realised=realised | ({"downloads": downloaded} if downloads else {}))
    intent = merge_write_batches([writes, _submission_writes(context, action, run)])
    context.transaction.write_now(intent, action)
    handle = backend.submit(task, context.providers.store)
    report_progress(f"run {run.id} on {run.backend}")
    return _submission_writes(context, action, replace(run, status=RunStatus.QUEUED, handle=handle))


def record_finished_run(context: ActionContext, action: Action) -> WriteBatch:
    """Record how a run ended; what is left of a lost run is stopped first."""
    run = run_of(action)
    if run.status is RunStatus.LOST:
        if run.handle is not None:
            context.providers.backend(run.backend).cancel(run.handle)
        run = replace(run, ended_at=run.ended_at or utc_timestamp())
    if run.status is RunStatus.COMPLETED:
        run = _with_stored_outputs(context, action, run)
    return _run_end_writes(context, run)


def cancel_run(context: ActionContext, action: Action) -> WriteBatch:
    """Cancel a run; if it ended by itself before that, it is recorded as it ended."""
    canceled = run_of(action)
    backend = context.providers.backend(canceled.backend)
    run = cancel_and_wait(backend, replace(canceled, failure=""))
    if run.status is RunStatus.COMPLETED:
        return _run_end_writes(context, _with_stored_outputs(context, action, run))
    if run.status is not RunStatus.FAILED:  # canceled, or lost
        run = replace(run, status=RunStatus.CANCELED, failure=canceled.failure, message="", ended_at=utc_timestamp())
    return _run_end_writes(context, run)


def _build_job_environment(
    context: ActionContext, resolved: ResolvedAsset, backend: str, report_progress: ReportProgress
) -> tuple[Built, WriteBatch]:
    """Return the environment of a job, built in a form that the backend accepts, and what to record of the build."""
    environment = _job_environment(context, resolved)
    builder = choose_builder(context.providers, environment.spec, backend)
    built = build_environment(context.providers, environment, builder, report_progress)
    pins = new_pin(resolved.environment.asset) if resolved.environment else {}
    return built, WriteBatch(builds=new_builds(environment, builder, built), pins=pins)


def _job_environment(context: ActionContext, resolved: ResolvedAsset) -> EnvironmentToBuild:
    if implicit := resolved.environment:
        return environment_to_build(context.state, implicit.asset.address, implicit.fingerprint, implicit.asset.spec)
    reference = resolved.references.get(ENVIRONMENT_POINTER)
    if reference is None:
        message = f"{resolved.asset.address} names no environment that this workspace declares"
        raise user_error("environment-form", message, "declare the environment in a file and write azureml:NAME@latest")
    record = context.state.find_version(reference.address, reference.version)
    if record is None:
        raise user_error("environment-missing", f"{reference} is not registered")
    return environment_to_build(context.state, record.address, record.fingerprint, record.spec)


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
    unfinished = tuple(dict.fromkeys((*record.unfinished, run.id)))
    writes = WriteBatch(current=(replace(record, latest=run.id, unfinished=unfinished),), runs=(run,))
    return adopt_experiment(context, resolved_asset_of(action), run, writes)


def _collect_outputs(providers: Providers, run: Run) -> Mapping[str, Content]:
    if run.handle is None:
        raise AssertionError(run)
    return providers.backend(run.backend).collect(run.handle, providers.store).outputs


def _with_stored_outputs(context: ActionContext, action: Action, run: Run) -> Run:
    """Return the run with its outputs in the store; if they cannot be stored, the run is recorded as failed."""
    try:
        contents = _collect_outputs(context.providers, run)
        paths = {name: {"path": path} for name, path in output_paths(run.spec, run.id).items()}
        outputs = {
            name: {**run.outputs[name], **content.to_json(), **paths.get(name, {})}
            for name, content in contents.items()
        }
        return replace(run, outputs=outputs)
    except UserError as error:
        if is_infrastructure_error(error):
            raise
        message = f"run {run.id} completed, but its outputs cannot be stored: {error.diagnostics[0].message}"
        failed = replace(run, status=RunStatus.FAILED, failure="user", message=message)
        context.transaction.write_now(_run_end_writes(context, failed), action)
        hint = f"the run is recorded as failed: fix the job, or run it again with `mlgit job rerun {run.address.name}`"
        raise user_error("output-not-kept", message, hint) from error


def _run_end_writes(context: ActionContext, run: Run) -> WriteBatch:
    """Return what records the end of a run; the newest run becomes current if it completed."""
    record = context.transaction.record(run.address)
    if record is None or run.experiment:
        return WriteBatch(runs=(run,))
    ended = replace(record, unfinished=tuple(run_id for run_id in record.unfinished if run_id != run.id))
    if run.id == record.latest and run.status is RunStatus.COMPLETED:
        ended = replace(ended, run=run.id)
    return WriteBatch(current=(ended,) if ended != record else (), runs=(run,))
