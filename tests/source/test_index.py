"""A dependency index answers from one slot of the cache, changes in one transaction, and is shared as JSON lines."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import Address
from reconciler.source.cache import Cache
from reconciler.source.index import CacheKey, IndexContents, IndexEntry, IndexUpdate, open_index, save_index
from reconciler.source.index_export import dump_index, load_index, load_index_key
from reconciler.source.parsed_file import ParsedFile, ParsedReference

pytestmark = pytest.mark.fast

DATA, JOB, MODEL = Address("data", "numbers"), Address("job", "sum"), Address("model", "Total")
WARNING = Diagnostic("code", "message", Span("models/total.yml", 2, 3), "hint", Severity.WARNING)
KEY = CacheKey("settings", "1" * 40, "2" * 40, ("inner/",))
ENTRIES = (
    IndexEntry(ParsedFile("data/n.yml", "data/n.yml", address=DATA, deps={"data/n.csv": ""}), 0, True),
    IndexEntry(
        ParsedFile("jobs/sum.yml", "jobs/sum.yml", address=JOB, references=(ParsedReference(DATA),), deps={"src/": ""}),
        1,
        True,
    ),
    IndexEntry(
        ParsedFile(
            "models/total.yml",
            "models/total.yml",
            address=MODEL,
            references=(ParsedReference(JOB),),
            diagnostics=(WARNING,),
        ),
        2,
        False,
    ),
)
CONTENTS = IndexContents(KEY, ENTRIES, (Address("data", "old"),))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Make a cache with an index in one slot, and an index of nothing in another."""
    cache = Cache(tmp_path)
    save_index(cache, "slot", CONTENTS)
    save_index(cache, "other", IndexContents(KEY, (), ()))
    return cache


def test_an_index_answers_what_it_was_saved_with(cache):
    with closing(open_index(cache, "slot", "settings")) as index:
        assert index.cache_key == KEY
        assert (len(index), dict(index.items())) == (3, {DATA: 0, JOB: 1, MODEL: 2})
        assert index.files_depending_on(["data/n.csv"]) == {"data/n.yml"}
        assert index.files_depending_on(["src/lib/a.py"]) == {"jobs/sum.yml"}
        assert index.files_declaring([JOB, DATA]) == {"jobs/sum.yml", "data/n.yml"}
        assert index.files_declaring_ignoring_case([Address("model", "total")]) == {"models/total.yml"}
        assert index.addresses_declared_in(["jobs/sum.yml"]) == {JOB}
        assert index.dirty_files() == {"models/total.yml"}
        assert index.dependents({DATA}) == {"jobs/sum.yml": {JOB}}
        assert list(index.files_with_diagnostics()) == [("models/total.yml", (WARNING,))]
        assert index.undeclared() == {Address("data", "old")}


def test_a_file_that_declares_several_addresses_is_found_by_each_and_shared_with_all(tmp_path):
    made = Address("model", "Made")
    entries = [ENTRIES[0], ENTRIES[1]._replace(parsed=ENTRIES[1].parsed._replace(outputs=(made,)))]
    contents = load_index(dump_index(IndexContents(KEY, entries, ())))
    save_index(Cache(tmp_path), "slot", contents)
    with closing(open_index(Cache(tmp_path), "slot", "settings")) as index:
        assert (len(index), dict(index.items())) == (2, {DATA: 0, JOB: 1, made: 2})
        assert index.files_declaring([made]) == index.files_declaring_ignoring_case([Address("model", "made")])
        assert index.addresses_declared_in(["jobs/sum.yml"]) == {JOB, made}
        assert index.dependents({DATA}) == {"jobs/sum.yml": {JOB, made}}


def test_an_index_of_other_settings_or_of_another_slot_is_not_opened(cache):
    assert open_index(cache, "slot", "other settings") is None
    assert open_index(cache, "no slot", "settings") is None
    with closing(open_index(cache, "other", "settings")) as index:
        assert (len(index), index.dirty_files(), index.undeclared()) == (0, set(), set())


def update() -> IndexUpdate:
    entry = ENTRIES[1]._replace(parsed=ENTRIES[1].parsed._replace(references=(), deps={"src2/": ""}))
    return IndexUpdate(
        KEY._replace(tree="3" * 40), {"jobs/sum.yml", "data/n.yml"}, {Address("data", "old")}, [entry], ()
    )


def test_an_update_replaces_the_files_and_addresses_that_were_looked_at(cache):
    with closing(open_index(cache, "slot", "settings")) as index:
        index.update(update())
    with closing(open_index(cache, "slot", "settings")) as index:
        assert index.cache_key == KEY._replace(tree="3" * 40)
        assert dict(index.items()) == {JOB: 1, MODEL: 2}
        assert index.files_depending_on(["src/a.py", "data/n.csv"]) == set()
        assert index.files_depending_on(["src2/a.py"]) == {"jobs/sum.yml"}
        assert (index.dependents({DATA}), index.undeclared()) == ({}, set())


def test_an_update_is_dropped_if_another_process_writes(cache, monkeypatch):
    monkeypatch.setattr("reconciler.source.cache._LOCK_TIMEOUT", 0.01)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(open_index(cache, "slot", "settings")) as index:
            index.update(update())
    with closing(open_index(cache, "slot", "settings")) as index:
        assert (index.cache_key, set(index)) == (KEY, {DATA, JOB, MODEL})


def test_an_exported_index_is_the_same_after_loading(cache):
    exported = dump_index(CONTENTS)
    assert load_index_key(exported) == KEY
    assert load_index(exported) == CONTENTS._replace(entries=list(ENTRIES), undeclared=list(CONTENTS.undeclared))
    assert dump_index(CONTENTS._replace(entries=ENTRIES[::-1])) == exported


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1" * 40, "--upload-pack=x"),
        ("inner/", "inner"),
        ("[0,true,", "[-1,true,"),
        ("[0,true,", "[true,true,"),
        ("[0,true,", "[0,1,"),
        ('"data/n.csv":""', '"data/n.csv":1'),
        ('"data/numbers"', "1"),
        ('"warning"', '"loud"'),
        (",2,3]", ",2,true]"),
        ("[[", "[" * 100_000),
    ],
)
def test_an_export_with_a_wrong_value_is_not_loaded(old, new):
    exported = dump_index(CONTENTS).decode()
    assert old in exported
    assert load_index(exported.replace(old, new).encode()) is None


def test_an_export_that_is_not_utf8_is_not_loaded():
    assert load_index(dump_index(CONTENTS) + b"\xff") is None
    assert load_index_key(b"\xff") is None
