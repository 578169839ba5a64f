"""Whatever names contents, however old they are: after gc, or one that was killed, what is needed is readable."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from dying_store import DyingStore, Killed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_files import put_files
from workspaces import put

from reconciler.project.garbage import GarbageOptions, find_garbage, remove_garbage
from reconciler.project.session import open_session
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow
_DAY = 86400.0
RECORD, HISTORY, STEP = "record", "history", "step"  # what is kept whatever the age of the content
REUSE, FETCHED = "reuse", "fetched"  # what is kept for 90 days after the last use
NOTHING = "nothing"
OWNERS = (RECORD, HISTORY, STEP, REUSE, FETCHED, NOTHING)
NEEDED = {RECORD: 1000, HISTORY: 1000, STEP: 1000, REUSE: 90, FETCHED: 90, NOTHING: 14}
CONTENTS = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.sampled_from([1, 13, 15, 89, 91, 300]), st.frozensets(st.integers(0, 4))),
    max_size=8,
)


def store_and_name(workspace: Path, round_: int, contents) -> list[tuple[object, float]]:
    """Store contents of an age, and have what they are for name them; return those that are needed, with their age."""
    store = FolderStore(workspace / ".mlgit/store")
    rows = [
        (owner, days, put_files(store, [("own", 0o100644, b"%d" % (100 * round_ + number)), *files_of(shared)]))
        for number, (owner, days, shared) in enumerate(contents)
    ]
    ages: dict[str, int] = {}
    for _, days, content in rows:
        for key in (content.digest, *(file.digest for file in store.manifest(content))):
            ages[key] = min(days, ages.get(key, days))
    for key, days in ages.items():
        modified = time.time() - days * _DAY
        os.utime(workspace / ".mlgit/store/files/md5" / key[:2] / key[2:], (modified, modified))
    by_owner = {owner: [content.to_json() for name, _, content in rows if name == owner] for owner in OWNERS}
    put(workspace, "extra/thing.json", {"contents": by_owner[HISTORY]})
    put(workspace, "extra/thing.json", {"contents": by_owner[RECORD], "token": "a-run"})
    for number, document in enumerate(by_owner[STEP]):
        store.create(f"results/a-run.{round_}-{number}", json.dumps(document).encode())
    for group in (REUSE, FETCHED):
        for number, document in enumerate(by_owner[group]):
            store.create(f"{group}/x.{round_}-{number}", json.dumps(document).encode())
    return [(content, days) for owner, days, content in rows if days < NEEDED[owner]]


def files_of(numbers):
    return [(f"shared-{number}", 0o100755 if number % 2 else 0o100644, b"shared %d" % number) for number in numbers]


@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(contents=CONTENTS, steps=st.integers(0, 12))
def test_all_that_is_needed_is_readable_after_a_removal_and_after_a_killed_one(applied, contents, steps):
    store = FolderStore(applied / ".mlgit/store")
    round_ = len(store.list(""))
    needed = store_and_name(applied, round_, contents)
    with open_session(applied) as session:
        state_contents = [content for content, _ in needed]
        dying = DyingStore(store.root, steps)
        try:
            remove_garbage(dying, find_garbage(session, dying, GarbageOptions()), lambda *_: None)
        except Killed:
            assert steps < 12 or dying.steps < 0
        assert [content for content in state_contents if store.verify(content, deep=True)] == []
        remove_garbage(store, find_garbage(session, store, GarbageOptions()), lambda *_: None)
        assert [content for content in state_contents if store.verify(content, deep=True)] == []
        again = find_garbage(session, store, GarbageOptions())
        assert (again.plan.digests, again.unused, again.problems) == ((), (), ())


def test_verify_finds_all_that_the_live_state_has_after_a_removal(applied, mlgit):
    store_and_name(applied, 1, [(owner, 300, frozenset([1])) for owner in OWNERS])
    assert mlgit("gc", "--remove", cwd=applied).code == 0
    verified = mlgit("verify", "--deep", cwd=applied)
    assert verified.code == 0, verified.out
