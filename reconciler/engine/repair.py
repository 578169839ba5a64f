"""What is recorded and has gone from the world, brought back: content out of Git, environments from their lock.

Where that cannot be, it is said, and nothing is made of what is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.builders import BuiltEnvironment
from reconciler.diagnostics import user_error
from reconciler.engine.artifacts import check_content_stored, restore_content
from reconciler.engine.providers import Providers
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Record, Run, Tree
from reconciler.planning.affinity import has_store
from reconciler.planning.drift import own_content_keys_of
from reconciler.state.process import host_name


def repair_record(world: Providers, tree: Tree, action: Action, say: Callable[[str], None]) -> None:
    """Bring back what a record stands for; raises UserError ``content-missing`` where Git has it no more."""
    record = action.record
    if record is None:
        raise AssertionError(action)
    if kind_by_name(record.address.kind).uses_builder:
        ensure_environment_built(world, record, say)
    _restore_missing_content(world, tree, record)


def check_version_content(world: Providers, tree: Tree, record: Record) -> None:
    """See that a version that is to count again is there still; raises UserError ``content-missing``.

    A machine without the store cannot look, and takes the record's word for it.
    """
    if has_store(world.config, host_name()):
        _restore_missing_content(world, tree, record)


def check_run_outputs(world: Providers, run: Run) -> None:
    """See that what a run made is there still, as above."""
    if has_store(world.config, host_name()):
        check_content_stored(world, *(made["md5"] for made in run.outputs.values() if "md5" in made))


def _restore_missing_content(world: Providers, tree: Tree, record: Record) -> None:
    keys = own_content_keys_of(record)
    if not world.store.missing_keys(keys):
        return
    restore_content(world, tree, record)
    if missing := world.store.missing_keys(keys):
        what, job = (
            f"{record.address.format_with_version(record.version)}",
            str(record.lineage.get("job", "")).partition("/")[2],
        )
        if job:
            message = f"{what}: what run {record.lineage['run']} made is not in the store any more"
            raise user_error(
                "content-missing", message, f"bring the store back; `mlgit job rerun {job}` makes it again"
            )
        message = f"{what}: Git has no longer what was put into the store as {missing[0]}"
        raise user_error("content-missing", message, "bring the store back, or make a new version of the asset")


def ensure_environment_built(world: Providers, record: Record, say: Callable[[str], None]) -> BuiltEnvironment:
    """Return the environment of a record, built on this machine; what has a recorded lock is built as it was."""
    found = world.builder.find(record.fingerprint)
    if found is not None:
        return found
    lock = record.realised.get("lock", "")
    return world.builder.build(
        world.builder.plan_build(str(record.address), record.fingerprint, record.spec, lock), say
    )
