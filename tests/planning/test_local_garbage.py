"""What this machine no longer needs: copies of objects and folders of runs, as functions of ages, sizes and tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.backend import RunFolder
from reconciler.model.content import StoredObject
from reconciler.planning.garbage import Amount
from reconciler.planning.local_garbage import (
    CacheCause,
    CacheReason,
    RunCause,
    RunReason,
    RunTokens,
    plan_cache,
    plan_run_folders,
)

KEYS = st.integers(0, 9).map(lambda number: f"{number:032x}")
OBJECTS = st.dictionaries(KEYS, st.tuples(st.integers(0, 2), st.integers(0, 100)), max_size=10).map(
    lambda found: {key: StoredObject(key, size, modified) for key, (size, modified) in found.items()}
)
TOKENS = st.frozensets(st.sampled_from("abcd"))
FOLDERS = st.lists(
    st.builds(
        RunFolder,
        st.just("runs/x"),
        st.sampled_from("abcde"),
        st.integers(0, 100),
        st.just(1),
        st.booleans(),
        st.just(False),
    ),
    max_size=8,
)


@given(cached=OBJECTS, stored=OBJECTS, unreachable=st.frozensets(KEYS))
def test_the_only_copy_of_what_is_needed_is_kept(cached, stored, unreachable):
    plan = plan_cache(cached.values(), stored, unreachable, 50)
    for item in plan.items:
        assert item.modified < 50
        assert stored.get(item.digest, item).size == item.size or item.digest in unreachable
        assert item.digest in stored or item.digest in unreachable
    assert sum(amount.objects for amount in plan.kept.values()) + len(plan.items) == len(cached)


def test_copies_are_counted_by_why_they_are_kept_or_not_needed():
    rows = (("young", 1, 50), ("copy", 2, 1), ("other size", 4, 1), ("needed", 8, 1), ("not needed", 16, 1))
    cached = [StoredObject(*row) for row in rows]
    stored = {key: StoredObject(key, 2, 99) for key in ("young", "copy", "other size")}
    plan = plan_cache(cached, stored, {"not needed"}, 50)
    assert plan.kept == {CacheReason.USED: Amount(1, 1), CacheReason.ONLY_COPY: Amount(2, 12)}
    assert plan.garbage == {CacheCause.COPY: (cached[1],), CacheCause.UNREACHABLE: (cached[4],)}


@given(folders=FOLDERS, known=TOKENS, unfinished=TOKENS, forgotten=TOKENS)
def test_only_folders_of_runs_whose_end_is_recorded_are_not_needed(folders, known, unfinished, forgotten):
    plan = plan_run_folders(folders, RunTokens(known | unfinished, unfinished, forgotten), 50)
    for folder in plan.items:
        assert folder.modified < 50
        assert not folder.is_active
        assert folder.token in (known | forgotten) - unfinished
    assert sum(amount.objects for amount in plan.kept.values()) + len(plan.items) == len(folders)


def test_folders_of_runs_are_counted_by_why_they_are_kept_or_not_needed():
    rows = (("a", 1, False), ("b", 1, True), ("c", 60, False), ("d", 1, False), ("e", 1, False), ("f", 1, False))
    folders = [RunFolder(f"runs/{token}", token, time, 1, is_active) for token, time, is_active in rows]
    left = RunFolder("removed/x", "", 0, 1, is_left=True)
    plan = plan_run_folders([*folders, left], RunTokens("abcd", "a", "e"), 50)
    assert plan.kept == {
        RunReason.UNFINISHED: Amount(2, 2),
        RunReason.RECENT: Amount(1, 1),
        RunReason.UNKNOWN: Amount(1, 1),
    }
    assert plan.garbage == {RunCause.ENDED: (folders[3],), RunCause.FORGOTTEN: (folders[4],), RunCause.LEFT: (left,)}
