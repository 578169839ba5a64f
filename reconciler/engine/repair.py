"""Repair of drift: content is restored from Git, environments are built again from their recorded lock.

What cannot be repaired is reported as an error.
"""

from __future__ import annotations

from reconciler.builders import BuiltEnvironment
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ReportProgress
from reconciler.engine.artifacts import check_content_stored, restore_content
from reconciler.engine.providers import Providers
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Record, Run, Tree
from reconciler.planning.drift import own_content_keys_of


def repair_record(providers: Providers, tree: Tree, action: Action, report_progress: ReportProgress) -> None:
    """Repair what a record describes; raises UserError ``content-missing`` if Git no longer has it."""
    record = action.record
    if record is None:
        raise AssertionError(action)
    if kind_by_name(record.address.kind).uses_builder:
        ensure_environment_built(providers, record, report_progress)
    _restore_missing_content(providers, tree, record)


def check_version_content(providers: Providers, tree: Tree, record: Record) -> None:
    """Restore the content of a version that is to be current again; raises UserError ``content-missing``.

    A machine without the store cannot check, and relies on the record.
    """
    if providers.has_store:
        _restore_missing_content(providers, tree, record)


def check_run_outputs(providers: Providers, run: Run) -> None:
    """Raise UserError ``content-missing`` if an output of a run is not in the store; see above."""
    if providers.has_store:
        check_content_stored(providers, *(output["md5"] for output in run.outputs.values() if "md5" in output))


def ensure_environment_built(providers: Providers, record: Record, report_progress: ReportProgress) -> BuiltEnvironment:
    """Return the environment of a record, built on this machine; with a recorded lock, exactly as it was."""
    builder = providers.builder
    built = builder.find(record.fingerprint)
    if built is not None:
        return built
    lock = record.realised.get("lock", "")
    request = builder.plan_build(str(record.address), record.fingerprint, record.spec, lock)
    return builder.build(request, report_progress)


def _restore_missing_content(providers: Providers, tree: Tree, record: Record) -> None:
    keys = own_content_keys_of(record)
    if not providers.store.missing_keys(keys):
        return
    restore_content(providers, tree, record)
    if missing := providers.store.missing_keys(keys):
        raise _content_missing_error(record, missing[0])


def _content_missing_error(record: Record, key: str) -> UserError:
    version = record.address.format_with_version(record.version)
    job = str(record.lineage.get("job", "")).partition("/")[2]
    if job:
        message = f"{version}: the output of run {record.lineage['run']} is no longer in the store"
        hint = f"make the store available again, or run `mlgit job rerun {job}`"
        return user_error("content-missing", message, hint)
    message = f"{version}: its content {key} is no longer in the store, nor in Git"
    hint = "make the store available again, or create a new version of the asset"
    return user_error("content-missing", message, hint)
