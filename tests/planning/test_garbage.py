"""What is garbage: the plan of a removal, as a function of objects, roots and ages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format.kinds import kinds
from reconciler.model.content import StoredObject
from reconciler.planning.garbage import Amount, Cause, Limits, Reason, plan_removal, reason_of

FILES = st.integers(0, 15).map(lambda number: f"{number:032x}")
FOLDERS = st.integers(100, 107).map(lambda number: f"{number:032x}.dir")
LISTINGS = st.dictionaries(FOLDERS, st.frozensets(FILES, max_size=4))
ROOTS = st.dictionaries(st.sampled_from(Reason), st.frozensets(FILES | FOLDERS, max_size=4), max_size=4)
CAUSES = st.dictionaries(st.sampled_from(Cause), st.frozensets(FILES | FOLDERS, max_size=4), max_size=2)
LIMITS = Limits(age=100, unfinished=50)


def objects_of(*rows):
    return [StoredObject(digest, size, modified) for digest, size, modified in rows]


def plan(objects, roots, listings=None, limits=LIMITS, causes=None):
    return plan_removal(objects, roots, causes or {}, limits, lambda key: (listings or {}).get(key, frozenset()))


@given(data=st.data(), roots=ROOTS, causes=CAUSES, listings=LISTINGS)
def test_everything_is_either_kept_or_garbage_and_garbage_is_old_and_reached_by_nothing(data, roots, causes, listings):
    ages = data.draw(st.dictionaries(FILES | FOLDERS, st.integers(0, 150), max_size=20))
    objects = objects_of(*((key, 1, modified) for key, modified in ages.items()))
    decided = plan(objects, roots, listings, causes=causes)
    garbage = frozenset(decided.digests)
    assert sum(amount.objects for amount in decided.kept.values()) + len(garbage) == len(objects)
    assert len(decided.digests) == len(garbage)
    named = {key for keys in roots.values() for key in keys}
    young = {key for key, modified in ages.items() if modified >= LIMITS.before}
    for key in (named | young) & ages.keys():
        assert key not in garbage
        assert listings.get(key, frozenset()).isdisjoint(garbage)
    assert all(ages[key] < 50 for key in garbage)


@given(roots=ROOTS, listings=LISTINGS, keys=st.frozensets(FILES | FOLDERS))
def test_what_is_kept_does_not_depend_on_why(roots, listings, keys):
    objects = objects_of(*((key, 1, 0) for key in keys))
    everything = {Reason.ENTRIES: frozenset().union(*roots.values())}
    assert set(plan(objects, roots, listings).digests) == set(plan(objects, everything, listings).digests)


def test_each_object_counts_once_for_the_first_reason():
    listings = {"f.dir": frozenset("ab"), "g.dir": frozenset("b")}
    roots = {Reason.HISTORY: ["f.dir", "old"], Reason.DATA: ["g.dir"]}
    objects = objects_of(*((key, 10, 0) for key in ("f.dir", "g.dir", "a", "b", "old", "none")))
    decided = plan(objects, roots, listings)
    assert decided.kept == {Reason.DATA: Amount(2, 20), Reason.HISTORY: Amount(3, 30)}
    assert decided.digests == ("none",)


def test_what_was_stored_since_an_unfinished_run_was_submitted_is_kept():
    decided = plan(objects_of(("old", 1, 49), ("input", 2, 50), ("young", 4, 100)), {})
    assert decided.kept == {Reason.UNFINISHED: Amount(1, 2), Reason.YOUNG: Amount(1, 4)}
    assert decided.digests == ("old",)
    assert decided.total == Amount(1, 1)


def test_garbage_is_counted_by_what_is_known_of_it_and_lists_go_first():
    listings = {"f.dir": frozenset("ab")}
    causes = {Cause.REMOVED: ["f.dir"], Cause.GIT: ["b", "c"]}
    decided = plan(objects_of(*((key, 1, 0) for key in ("a", "b", "c", "d", "f.dir"))), {}, listings, causes=causes)
    by_cause = {cause: sorted(item.digest for item in items) for cause, items in decided.garbage.items()}
    assert by_cause == {Cause.REMOVED: ["a", "b", "f.dir"], Cause.GIT: ["c"], Cause.UNKNOWN: ["d"]}
    assert decided.digests[0] == "f.dir"


def test_what_a_record_names_is_kept_whatever_its_kind():
    reasons = {kind: reason_of(kind) for kind in kinds()}
    assert (reasons["data"], reasons["model"], reasons["job"]) == (Reason.DATA, Reason.MODELS, Reason.RUNS)
    assert reasons["environment"] is reasons["component"] is Reason.ASSETS
    assert reason_of("steps") is Reason.RUNS
    assert reason_of("of-a-newer-mlgit") is Reason.RECORDS


@pytest.mark.parametrize("limits", [Limits(100, 50), Limits(50, 100)])
def test_the_earlier_limit_counts(limits):
    assert limits.before == 50
