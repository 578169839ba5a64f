"""What is recorded and has gone from the world, brought back: content out of Git, environments from their lock."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.applying.staging import put_again
from reconciler.applying.world import World
from reconciler.builders import Build
from reconciler.diagnostics import failure
from reconciler.format.kinds import kind_named
from reconciler.model import Action, Record, Tree
from reconciler.planning.drift import keys_of


def heal(world: World, tree: Tree, action: Action, say: Callable[[str], None]) -> None:
    """Bring back what a record stands for; raises UserError ``content-missing`` where Git has it no more."""
    record = action.record
    if record is None:
        raise AssertionError(action)
    if kind_named(record.address.kind).built:
        built(world, record, say)
    keys = keys_of(record)
    if world.store.missing(keys):
        put_again(world, tree, record)
    if missing := world.store.missing(keys):
        message = f"{record.address.at(record.version)}: Git has no longer what was put into the store as {missing[0]}"
        raise failure("content-missing", message, "bring the store back, or make a new version of the asset")


def built(world: World, record: Record, say: Callable[[str], None]) -> Build:
    """Return the environment of a record, built on this machine; what has a recorded lock is built as it was."""
    found = world.builder.find(record.fingerprint)
    if found is not None:
        return found
    lock = record.realised.get("lock", "")
    return world.builder.build(world.builder.render(str(record.address), record.fingerprint, record.spec, lock), say)
