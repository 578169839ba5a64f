"""The index of results: what is found counts as used, and what is gone is dropped."""

from __future__ import annotations

import json
import os
import time

import pytest
from stored_files import put_files

from reconciler.engine.driver.reuse import ReuseIndex
from reconciler.model import RunStatus
from reconciler.model.step_runs import StepRun
from reconciler.storage.folder_store import FolderStore

_OLD = 7200


@pytest.fixture
def kept(tmp_path):
    """A store with a result that was kept for reuse long ago, by the target ``other``, and its content."""
    store = FolderStore(tmp_path)
    content = put_files(store, [("a", 0o100644, b"a")])
    step = StepRun("train", RunStatus.COMPLETED, outputs={"model": content.to_json()})
    store.create("reuse/other.key", json.dumps({"origin": "pipe-1/train", "step": step.to_json()}).encode())
    modified = time.time() - _OLD
    for path in (tmp_path / "files").rglob("*"):
        os.utime(path, (modified, modified))
    return store, content


@pytest.mark.parametrize("index", [("other", {}), ("own", {"prod": "other"})])
def test_a_result_that_is_reused_is_not_removed_as_unused(kept, index):
    store, content = kept
    assert ReuseIndex(store, *index).find("key").step.outputs == {"model": content.to_json()}
    assert store.remove([item.digest for item in store.objects()], time.time() - _OLD / 2) == frozenset()


def test_a_forecast_leaves_the_age_of_a_result_as_it_is(kept):
    store, _ = kept
    assert ReuseIndex(store, "other").look_up("key").step is not None
    assert len(store.remove([item.digest for item in store.objects()], time.time() - _OLD / 2)) == 2


def test_a_result_that_was_removed_meanwhile_is_dropped(kept):
    store, content = kept
    store.remove([content.digest], time.time())
    found = ReuseIndex(store, "other").find("key")
    assert (found.step, found.is_dropped, store.list("reuse/")) == (None, True, ())
