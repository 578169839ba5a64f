"""What is recorded and has gone from the world, brought back: content out of Git, environments from their lock.

Where that cannot be, it is said, and nothing is made of what is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.applying.staging import check_stored, put_again
from reconciler.applying.world import World
from reconciler.builders import Build
from reconciler.diagnostics import failure
from reconciler.format.kinds import kind_named
from reconciler.live.process import host
from reconciler.model import Action, Record, Run, Tree
from reconciler.planning.drift import keys_of
from reconciler.planning.hosts import has_store


def heal(world: World, tree: Tree, action: Action, say: Callable[[str], None]) -> None:
    """Bring back what a record stands for; raises UserError ``content-missing`` where Git has it no more."""
    record = action.record
    if record is None:
        raise AssertionError(action)
    if kind_named(record.address.kind).built:
        built(world, record, say)
    _bring_back(world, tree, record)


def check_kept(world: World, tree: Tree, record: Record) -> None:
    """See that a version that is to count again is there still; raises UserError ``content-missing``.

    A machine without the store cannot look, and takes the record's word for it.
    """
    if has_store(world.config, host()):
        _bring_back(world, tree, record)


def check_made(world: World, run: Run) -> None:
    """See that what a run made is there still, as above."""
    if has_store(world.config, host()):
        check_stored(world, *(made["md5"] for made in run.outputs.values() if "md5" in made))


def _bring_back(world: World, tree: Tree, record: Record) -> None:
    keys = keys_of(record)
    if not world.store.missing(keys):
        return
    put_again(world, tree, record)
    if missing := world.store.missing(keys):
        what, job = f"{record.address.at(record.version)}", str(record.lineage.get("job", "")).partition("/")[2]
        if job:
            message = f"{what}: what run {record.lineage['run']} made is not in the store any more"
            raise failure("content-missing", message, f"bring the store back; `mlgit job rerun {job}` makes it again")
        message = f"{what}: Git has no longer what was put into the store as {missing[0]}"
        raise failure("content-missing", message, "bring the store back, or make a new version of the asset")


def built(world: World, record: Record, say: Callable[[str], None]) -> Build:
    """Return the environment of a record, built on this machine; what has a recorded lock is built as it was."""
    found = world.builder.find(record.fingerprint)
    if found is not None:
        return found
    lock = record.realised.get("lock", "")
    return world.builder.build(world.builder.render(str(record.address), record.fingerprint, record.spec, lock), say)
