"""What each action does and what it writes to the state: one function for each op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.engine.artifacts import store_asset_contents
from reconciler.engine.bug_report import unexpected_error
from reconciler.engine.builds import build_environment, choose_builder, environment_to_build, new_builds
from reconciler.engine.registered_locations import at_path, register_location
from reconciler.engine.registered_models import describe_model
from reconciler.engine.repair import check_run_outputs, check_version_content, repair_record
from reconciler.engine.resource_actions import delete_resource, has_resource, make_resource
from reconciler.engine.run_actions import adopt_experiment, cancel_run, record_finished_run, submit_run
from reconciler.engine.transfer_reports import transfer_reporter
from reconciler.engine.usable import check_usable
from reconciler.format.assets import kind_of
from reconciler.model import Action, BuilderChoice, Json, Op, ResolvedAsset
from reconciler.model.builder import ReportProgress
from reconciler.model.content import Content
from reconciler.model.notes import listen_to_notes
from reconciler.model.transfers import listen_to_transfers
from reconciler.planning.adoption import ADOPTED_FROM
from reconciler.planning.builds import lock_before
from reconciler.planning.job_outputs import find_job_output
from reconciler.planning.moved import make_tombstone, rename_record
from reconciler.planning.packages import diff_locks, summarize_packages
from reconciler.state.store import WriteBatch
from reconciler.timestamps import utc_timestamp

_OUTPUT_CODES = frozenset({"output-missing", "output-path-missing"})


def execute_action(context: ActionContext, action: Action) -> WriteBatch:
    """Execute one action and return what to write to the state.

    Raises UserError if it cannot be done, also for an unexpected exception, which is the failure of this action alone.
    """
    try:
        report_transfer = transfer_reporter(partial(context.report_transfer, action))
        with listen_to_transfers(report_transfer), listen_to_notes(context.progress_reporter(action)):
            return _handler(context, action)(context, action)
    except UserError:
        raise
    except Exception as error:
        raise unexpected_error(error, action, context.transaction.state_store.local_folder) from error


def _handler(context: ActionContext, action: Action) -> Callable[[ActionContext, Action], WriteBatch]:
    if has_resource(context, action):
        return delete_resource if action.op is Op.DELETE else make_resource
    return _ACTION_HANDLERS[action.op]


def is_external(context: ActionContext, action: Action) -> bool:
    """Return True if the action has an effect outside the state and the store."""
    return action.op in (Op.BUILD, Op.SUBMIT, Op.CANCEL) or has_resource(context, action)


def is_slow(context: ActionContext, action: Action) -> bool:
    """Return True if the action may take so long that others should not wait for it."""
    return is_external(context, action) or action.op in (Op.RECORD, Op.REPAIR)


def _create_or_update(context: ActionContext, action: Action) -> WriteBatch:
    """Create, update or replace an asset, or update the description of a version."""
    record = context.make_bound_record(action)
    is_versioned = kind_of(resolved_asset_of(action).asset).is_versioned
    return WriteBatch(current=(record,), versions=(record,) if is_versioned else ())


def _rename(context: ActionContext, action: Action) -> WriteBatch:
    """Move a record to its new address; older versions and runs stay under the former one."""
    former = context.transaction.record(action.moved_from) if action.moved_from else None
    if former is None:
        raise AssertionError(action)
    renamed, tombstone = (
        replace(rename_record(former, action.address), applied_at=utc_timestamp()),
        make_tombstone(former),
    )
    run_ids = dict.fromkeys((former.run, former.latest, *former.unfinished))
    runs = (context.state.find_run(former.address, run_id) for run_id in run_ids if run_id)
    return WriteBatch(
        current=(renamed, tombstone) if tombstone else (renamed,),
        removed=() if tombstone else (former.address,),
        versions=(renamed,) if renamed.version else (),
        runs=tuple(replace(run, address=renamed.address) for run in runs if run),
    )


def _register_version(context: ActionContext, action: Action) -> WriteBatch:
    """Register a version: its content goes into the store, its lineage into the record."""
    resolved = resolved_asset_of(action)
    kind = kind_of(resolved.asset)
    realised: dict[str, Json] = {}
    if kind.uses_store:
        realised = _store_version(context, action)
    record = replace(
        context.make_record(action),
        version=action.version,
        seq=action.seq,
        top=action.seq,
        realised=realised,
        lineage=_lineage(context, resolved),
    )
    return WriteBatch(current=(record,), versions=(record,))


def _store_version(context: ActionContext, action: Action) -> dict[str, Json]:
    """Store the content of a version and return what is recorded of it: contents, locations, what a model says."""
    resolved = resolved_asset_of(action)
    contents = _store_contents(context, resolved)
    location, pinned = register_location(context, action)
    contents |= {"/path": pinned} if pinned else {}
    documents = {pointer: content.to_json() for pointer, content in contents.items()}
    realised: dict[str, Json] = {"store": context.providers.store.id, "contents": documents} if contents else {}
    realised |= {"locations": {"/path": location.to_json()}} if location else {}
    return realised | (describe_model(context, resolved, contents) if kind_of(resolved.asset).is_model else {})


def _store_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content]:
    """Store the content of a version; what the output of a job does not have is an error at the line of its path."""
    try:
        return store_asset_contents(context, resolved)
    except UserError as error:
        if error.diagnostics[0].code not in _OUTPUT_CODES:
            raise
        raise at_path(context, resolved.asset, error) from error


def _lineage(context: ActionContext, resolved: ResolvedAsset) -> Mapping[str, Json]:
    """Return the commit that a version comes from; for a job's output also the run and what the run used.

    That is the run that made the output, also if the step was reused by the run that is referred to.
    """
    lineage: dict[str, Json] = {"commit": context.source.effective_commit}
    for reference in resolved.references.values():
        run = context.state.find_run(reference.address, reference.version) if reference.output else None
        if run is not None:
            output = find_job_output(context.state, run, reference.output)
            run = (context.state.find_run(run.address, output.run) if output else None) or run
            used = {pointer.strip("/"): str(target) for pointer, target in run.references.items()}
            lineage |= {"commit": run.commit, "job": str(run.address), "run": run.id, "used": used}
    return lineage


def _adopt(context: ActionContext, action: Action) -> WriteBatch:
    """Make an earlier run or version with the same fingerprint current again."""
    if action.run is not None:
        run = context.state.find_run(action.address, action.run.id) or action.run  # as it was recorded just now
        check_run_outputs(context.providers, run)
        record = replace(context.make_record(action), run=run.id, latest=run.id)
        writes = WriteBatch(current=(record,))
        if source := run.realised.get(ADOPTED_FROM):  # once more, if it is recorded already: it stays as it is
            steps = context.state.read_reuse_states()[source["target"]].find_steps(source["run"])
            return writes._replace(runs=(run,), steps={run.id: steps} if steps else {})
        return adopt_experiment(context, resolved_asset_of(action), run, writes)
    older = context.state.find_version(action.address, action.version)
    if older is None:
        version = action.address.format_with_version(action.version)
        raise user_error("version-missing", f"{version} is no longer in the live state")
    check_version_content(context.providers, context.tree, older)
    before = context.transaction.record(action.address)
    top = max(older.top, older.seq, before.top if before else 0, before.seq if before else 0)
    protected = context.is_protected(action)
    record = replace(older, top=top, applied_at=utc_timestamp(), archived=False, protected=protected)
    return WriteBatch(current=(record,), versions=(record,) if older.archived else ())


def _build(context: ActionContext, action: Action) -> WriteBatch:
    """Build an environment unless it is built already; with a recorded lock, exactly as it was."""
    resolved, report_progress = resolved_asset_of(action), context.progress_reporter(action)
    asset = resolved.asset
    contents = store_asset_contents(context, resolved) if asset.paths else {}
    environment = environment_to_build(context.state, asset.address, resolved.fingerprint, asset.spec, contents)
    choices = action.builders or (BuilderChoice(choose_builder(context.providers, environment)),)
    recorded: dict[str, Mapping[str, Json]] = {}
    for name, _, backends in choices:
        if found := context.providers.builders[name].find(resolved.fingerprint):
            python = f", Python {found.python_version}" if found.python_version else ""
            report_progress(f"already built on this machine{python}")
        built = build_environment(context.providers, environment, name, report_progress)
        check_usable(context, action, environment, name, built, backends)
        for builds in new_builds(environment, name, built).values():
            recorded |= builds
        _report_packages(context, action, name, built.lock, report_progress)
    return WriteBatch(builds={resolved.fingerprint: recorded} if recorded else {})


def _report_packages(
    context: ActionContext, action: Action, builder: str, lock: str, report_progress: ReportProgress
) -> None:
    """Report how the packages of a build differ from those of the version before, if that has a recorded lock."""
    before = lock_before(context.state, action, [builder])
    if before is not None and action.record:
        report_progress(
            f"packages since version {action.record.version}: {summarize_packages(diff_locks(before, lock))}"
        )


def _repair(context: ActionContext, action: Action) -> WriteBatch:
    """Repair what a record describes; the record stays as it is."""
    repair_record(context, action, context.progress_reporter(action))
    return WriteBatch()


def _archive(context: ActionContext, action: Action) -> WriteBatch:
    record = context.state.current[action.address]
    return WriteBatch(current=(replace(record, archived=True, applied_at=utc_timestamp()),))


def _delete(_context: ActionContext, action: Action) -> WriteBatch:
    return WriteBatch(removed=(action.address,))


_ACTION_HANDLERS: Mapping[Op, Callable[[ActionContext, Action], WriteBatch]] = {
    Op.RENAME: _rename,
    Op.CREATE: _create_or_update,
    Op.UPDATE: _create_or_update,
    Op.REPLACE: _create_or_update,
    Op.NEW_VERSION: _register_version,
    Op.REGISTER: _register_version,
    Op.ADOPT: _adopt,
    Op.BUILD: _build,
    Op.REPAIR: _repair,
    Op.SUBMIT: submit_run,
    Op.RECORD: record_finished_run,
    Op.CANCEL: cancel_run,
    Op.ARCHIVE: _archive,
    Op.DELETE: _delete,
}
