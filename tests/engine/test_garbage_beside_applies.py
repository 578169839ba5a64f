"""Others store and record contents between finding garbage and removing it, or a part of it: nothing is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dying_store import DyingStore, Killed
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from stored_files import put_files

from reconciler.engine.staged import store_once
from reconciler.planning.garbage import Limits, Reason, plan_removal
from reconciler.planning.local_garbage import LocalPlan
from reconciler.project.garbage import Garbage, remove_garbage
from reconciler.project.local_garbage import LocalGarbage
from reconciler.project.store_entries import read_store_entries
from reconciler.state.recorded_keys import find_keys
from reconciler.storage.folder_store import FolderStore

SOURCES = st.integers(0, 4)
_OLD = 7200
NOTHING_HERE = LocalGarbage(None, "", 0.0, LocalPlan({}, {}), "")


class ApplyAndCollect(RuleBasedStateMachine):
    """Contents share files: source N is a folder with the files 0 to N."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name) / "store"
        self.recorded: dict[int, object] = {}
        self.garbage: Garbage | None = None

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(source=SOURCES)
    def store_and_record(self, source: int) -> None:
        """Do what an apply does: use what the store has, or store it, and record it."""
        store = FolderStore(self.root)
        files = [(str(number), 0o100755 if number % 2 else 0o100644, b"%d" % number) for number in range(source + 1)]
        self.recorded[source] = store_once(store, f"tree.{source}", lambda: put_files(store, files))

    @rule(source=SOURCES)
    def forget_record(self, source: int) -> None:
        self.recorded.pop(source, None)

    @precondition(lambda self: self.garbage is None)
    @rule()
    def time_passes(self) -> None:
        """Not while garbage is being removed: that takes no days."""
        modified = time.time() - _OLD
        for path in (self.root / "files").rglob("*"):
            if path.is_file():
                os.utime(path, (modified, modified))

    @rule()
    def find(self) -> None:
        store = FolderStore(self.root)
        objects = {item.digest: item for item in store.objects()}
        entries = read_store_entries(store)
        roots = {Reason.DATA: [content.digest for content in self.recorded.values()]}

        def read_listing(key):
            with store.open(key) as stream:
                return find_keys(stream.read())

        before = time.time() - _OLD / 2
        limits = Limits(before, before)
        plan = plan_removal(objects.values(), roots, {}, limits, read_listing)
        self.garbage = Garbage(plan, limits, (), entries.memos, (), (), objects, None, NOTHING_HERE)

    @precondition(lambda self: self.garbage is not None)
    @rule(steps=st.integers(0, 12))
    def remove(self, steps: int) -> None:
        garbage, self.garbage = self.garbage, None
        assert garbage is not None
        try:
            remove_garbage(DyingStore(self.root, steps), garbage, lambda *_: None)
        except Killed:
            return
        present = {item.digest for item in FolderStore(self.root).objects()}
        assert {key for key in garbage.plan.digests if key in present} <= self.reachable()

    def reachable(self) -> set[str]:
        """Return what was used since the garbage was found: whatever records name, or named until a moment ago."""
        return {item.digest for item in FolderStore(self.root).objects() if item.modified > time.time() - _OLD / 2}

    @invariant()
    def everything_recorded_is_whole(self) -> None:
        if hasattr(self, "recorded"):
            store = FolderStore(self.root)
            assert [content for content in self.recorded.values() if store.verify(content)] == []


ApplyAndCollect.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_what_is_recorded_is_whole_whatever_happens = ApplyAndCollect.TestCase


@pytest.mark.parametrize("is_kept", [True, False])
def test_without_keeping_what_is_used_it_would_be_lost(tmp_path, monkeypatch, is_kept):
    """The test above can fail: with a store that only says that it keeps."""
    if not is_kept:
        monkeypatch.setattr(FolderStore, "keep", lambda _self, _content: True)
    machine = ApplyAndCollect()
    machine.start()
    machine.store_and_record(2)
    machine.forget_record(2)
    machine.time_passes()
    machine.find()
    machine.store_and_record(2)
    assert machine.garbage is not None
    remove_garbage(FolderStore(machine.root), machine.garbage, lambda *_: None)
    store = FolderStore(machine.root)
    assert all(not store.verify(content) for content in machine.recorded.values()) is is_kept
    machine.teardown()
