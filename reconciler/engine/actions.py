"""What each action does to the world, and what is written of it: one function for each sort of action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.builders import BuiltEnvironment, built_environment_to_json
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.artifacts import is_infrastructure_error, make_task, store_asset_contents, store_run_outputs
from reconciler.engine.providers import Providers
from reconciler.engine.repair import check_run_outputs, check_version_content, ensure_environment_built, repair_record
from reconciler.format.assets import kind_of
from reconciler.model import (
    Action,
    Event,
    Json,
    Op,
    Progress,
    Record,
    ResolvedAsset,
    Run,
    RunStatus,
    SourceRevision,
    Tree,
)
from reconciler.planning.fingerprint import FP_VERSION
from reconciler.planning.moved import make_tombstone, rename_record
from reconciler.planning.protection import protecting_glob
from reconciler.planning.refresh import merge_report
from reconciler.state.store import WriteBatch
from reconciler.state.transaction import StateTransaction
from reconciler.timestamps import utc_timestamp

Emit = Callable[[Event], None]

# What is recorded of a build: what it is, not where it lies on the machine that happened to build it.
_BUILD_FIELDS = ("builder", "identity", "python", "lock")


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What every action of one apply shares."""

    providers: Providers
    tree: Tree
    source: SourceRevision
    transaction: StateTransaction
    emit: Emit
    is_stopping: Callable[[], bool] = lambda: False  # then nothing more is begun

    def progress_reporter(self, action: Action) -> Callable[[str], None]:
        """Return what reports the progress of an action."""
        return lambda text: self.emit(Event(Progress.MESSAGE, action, text))


def execute_action(context: ActionContext, action: Action) -> WriteBatch:
    """Do one action and return what is to be written of it. A UserError says why it could not be done."""
    return _ACTION_HANDLERS[action.op](context, action)


def is_external(action: Action) -> bool:
    """Tell whether the action has an effect outside the live state and the store."""
    return action.op in (Op.BUILD, Op.SUBMIT, Op.CANCEL)


def is_slow(action: Action) -> bool:
    """Tell whether the action may take so long that others should not wait for it."""
    return is_external(action) or action.op in (Op.RECORD, Op.REPAIR)


def _make_record(context: ActionContext, action: Action) -> Record:
    """Make the record of a declared asset as of this apply, keeping what an older one knows besides."""
    node, old = _require_resolved_asset(action), context.transaction.record(action.address)
    base = old or Record(action.address, {}, "", "", FP_VERSION)
    return replace(
        base,
        spec=node.asset.spec,
        fingerprint=node.fingerprint,
        metadata=node.metadata,
        fp_version=FP_VERSION,
        contents=node.contents,
        references=node.references,
        source=context.tree.display_path(node.asset.source),
        declared_at=context.source.commit,
        lineage={"commit": context.source.effective_commit},
        applied_at=utc_timestamp(),
        archived=False,
        protected=bool(protecting_glob(context.providers.config, action.address)),
    )


def _require_resolved_asset(action: Action) -> ResolvedAsset:
    if action.resolved is None:
        raise AssertionError(action)
    return action.resolved


def _create_or_update(context: ActionContext, action: Action) -> WriteBatch:
    """Create, update or replace what lives under its name, or describe a version anew."""
    node = _require_resolved_asset(action)
    kind = kind_of(node.asset)
    record = _make_record(context, action)
    if kind.uses_backend:
        record = replace(record, realised={"backend": context.providers.config.backend_of(action.address.name)})
    return WriteBatch(current=(record,), versions=(record,) if kind.is_versioned else ())


def _rename(context: ActionContext, action: Action) -> WriteBatch:
    """Give a record its new name; older versions and runs stay under the former one."""
    old = context.transaction.record(action.moved_from) if action.moved_from else None
    if old is None:
        raise AssertionError(action)
    new, left = replace(rename_record(old, action.address), applied_at=utc_timestamp()), make_tombstone(old)
    named = dict.fromkeys((old.run, old.latest, *old.unfinished))
    runs = (context.transaction.live.find_run(old.address, each) for each in named if each)
    return WriteBatch(
        current=(new, left) if left else (new,),
        removed=() if left else (old.address,),
        versions=(new,) if new.version else (),
        runs=tuple(replace(run, address=new.address) for run in runs if run),
    )


def _register_version(context: ActionContext, action: Action) -> WriteBatch:
    node = _require_resolved_asset(action)
    kind = kind_of(node.asset)
    realised: dict[str, Json] = {}
    if kind.uses_store:
        contents = store_asset_contents(context.providers, context.transaction.live, context.tree, node)
        documents = {pointer: content.to_json() for pointer, content in contents.items()}
        realised = {"store": context.providers.store.id, "contents": documents} if documents else {}
    if kind.uses_builder:
        built = context.providers.builder.find(node.fingerprint)
        realised = {name: built_environment_to_json(built)[name] for name in _BUILD_FIELDS} if built else {}
    record = replace(
        _make_record(context, action),
        version=action.version,
        seq=action.seq,
        top=action.seq,
        realised=realised,
        lineage=_lineage(context, node),
    )
    return WriteBatch(current=(record,), versions=(record,))


def _lineage(context: ActionContext, node: ResolvedAsset) -> Mapping[str, Json]:
    """Say where a version came from: the commit, and for a job's output the run and all that the run used."""
    found: dict[str, Json] = {"commit": context.source.effective_commit}
    for reference in node.references.values():
        if not reference.output:
            continue
        run = context.transaction.live.find_run(reference.address, reference.version)
        if run is not None:
            used = {pointer.strip("/"): str(reference) for pointer, reference in run.references.items()}
            found |= {"commit": run.commit, "job": str(run.address), "run": run.id, "used": used}
    return found


def _adopt(context: ActionContext, action: Action) -> WriteBatch:
    if action.run is not None:
        check_run_outputs(context.providers, action.run)
        record = replace(_make_record(context, action), run=action.run.id, latest=action.run.id)
        return WriteBatch(current=(record,))
    older = context.transaction.live.find_version(action.address, action.version)
    if older is None:
        raise user_error(
            "version-missing", f"{action.address.format_with_version(action.version)} is not in the live state any more"
        )
    check_version_content(context.providers, context.tree, older)
    before = context.transaction.record(action.address)
    top = max(older.top, older.seq, before.top if before else 0, before.seq if before else 0)
    protected = bool(protecting_glob(context.providers.config, action.address))
    record = replace(older, top=top, applied_at=utc_timestamp(), archived=False, protected=protected)
    return WriteBatch(current=(record,), versions=(record,) if older.archived else ())


def _build(context: ActionContext, action: Action) -> WriteBatch:
    """Build an environment where it is not there yet; what has a recorded lock is built again as it was."""
    node, say = _require_resolved_asset(action), context.progress_reporter(action)
    builder = context.providers.builder
    recorded = context.transaction.record(node.asset.address)
    lock = recorded.realised.get("lock", "") if recorded and recorded.fingerprint == node.fingerprint else ""
    request = builder.plan_build(str(node.asset.address), node.fingerprint, node.asset.spec, lock)
    for note in request.notes:
        say(note)
    if (found := builder.find(node.fingerprint)) is None:
        builder.build(request, say)
    else:
        say(f"already built on this machine, Python {found.python_version}")
    return WriteBatch()


def _submit(context: ActionContext, action: Action) -> WriteBatch:
    """Submit a run: the intent is durable first, so that whoever comes after a crash finds it by its token."""
    node, run = _require_resolved_asset(action), action.run
    if run is None:
        raise AssertionError(action)
    run = replace(
        run, commit=context.source.effective_commit, submitted_at=utc_timestamp("milliseconds")
    )  # runs are told in this order
    say = context.progress_reporter(action)
    build = _ensure_job_environment(context, node, say)
    backend = context.providers.backend(run.backend)
    work = make_task(context.providers, context.transaction.live, context.tree, node, run, build)
    run = replace(run, realised={"environment": build.identity})
    context.transaction.write_now(_submission_writes(context, action, run), action)
    backend.submit(backend.make_submission(work))
    say(f"run {run.id} on {run.backend}")
    return _submission_writes(context, action, replace(run, status=RunStatus.QUEUED))


def _ensure_job_environment(
    context: ActionContext, node: ResolvedAsset, say: Callable[[str], None]
) -> BuiltEnvironment:
    """Return the environment that the job names, built on this machine."""
    reference = node.references.get("/environment")
    if reference is None:
        message = f"{node.asset.address} names no environment that this workspace declares"
        raise user_error("environment-form", message, "declare the environment in a file and write azureml:NAME@latest")
    record = context.transaction.live.find_version(reference.address, reference.version)
    if record is None:
        raise user_error("environment-missing", f"{reference} is not registered")
    return ensure_environment_built(context.providers, record, say)


def _repair(context: ActionContext, action: Action) -> WriteBatch:
    """Bring back what is recorded; that it was away is no part of the record."""
    repair_record(context.providers, context.tree, action, context.progress_reporter(action))
    return WriteBatch()


def _submission_writes(context: ActionContext, action: Action, run: Run) -> WriteBatch:
    record = _make_record(context, action)
    unfinished = tuple(dict.fromkeys((*record.unfinished, run.id)))
    return WriteBatch(current=(replace(record, latest=run.id, unfinished=unfinished),), runs=(run,))


def _record_finished_run(context: ActionContext, action: Action) -> WriteBatch:
    """Record how a run ended; of a lost one, stop what may be left of it first."""
    run = action.run
    if run is None:
        raise AssertionError(action)
    if run.status is RunStatus.LOST:
        context.providers.backend(run.backend).cancel(run.id)
        run = replace(run, ended_at=run.ended_at or utc_timestamp())
    if run.status is RunStatus.COMPLETED:
        run = _with_stored_outputs(context, action, run)
    return _run_end_writes(context, run)


def _with_stored_outputs(context: ActionContext, action: Action, run: Run) -> Run:
    """Put what a run made into the store; a run that made what cannot be kept is recorded as failed."""
    try:
        outputs = {
            name: {**run.outputs[name], **content.to_json()}
            for name, content in store_run_outputs(context.providers, run).items()
        }
        return replace(run, outputs=outputs)
    except UserError as error:
        if is_infrastructure_error(error):
            raise
        message = f"run {run.id} completed, and what it made cannot be stored: {error.diagnostics[0].message}"
        failed = replace(run, status=RunStatus.FAILED, failure="user", message=message)
        context.transaction.write_now(_run_end_writes(context, failed), action)
        hint = f"it is recorded as failed: correct the job, or run it again with `mlgit job rerun {run.address.name}`"
        raise user_error("output-not-kept", message, hint) from error


def _run_end_writes(context: ActionContext, run: Run) -> WriteBatch:
    """Write the end of a run; the newest one becomes current if it completed."""
    record = context.transaction.record(run.address)
    if record is None:
        return WriteBatch(runs=(run,))
    ended = replace(record, unfinished=tuple(each for each in record.unfinished if each != run.id))
    if run.id == record.latest and run.status is RunStatus.COMPLETED:
        ended = replace(ended, run=run.id)
    return WriteBatch(current=(ended,) if ended != record else (), runs=(run,))


def _cancel(context: ActionContext, action: Action) -> WriteBatch:
    """Stop a run that nobody waits for any more; one that ended by itself before that is recorded as it ended."""
    if action.run is None:
        raise AssertionError(action)
    canceled, backend = action.run, context.providers.backend(action.run.backend)
    backend.cancel(canceled.id)
    run = merge_report(replace(canceled, failure=""), backend.poll([canceled.id])[canceled.id])
    if run.status is RunStatus.COMPLETED:
        return _run_end_writes(context, _with_stored_outputs(context, action, run))
    if run.status is not RunStatus.FAILED:  # canceled, or gone before it could say so
        run = replace(run, status=RunStatus.CANCELED, failure=canceled.failure, message="", ended_at=utc_timestamp())
    return _run_end_writes(context, run)


def _archive(context: ActionContext, action: Action) -> WriteBatch:
    record = context.transaction.live.current[action.address]
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
    Op.SUBMIT: _submit,
    Op.RECORD: _record_finished_run,
    Op.CANCEL: _cancel,
    Op.ARCHIVE: _archive,
    Op.DELETE: _delete,
}
