"""The local cache is one file; a missing, damaged, foreign or read-only one holds nothing and is no error."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.source.cache import Cache, select_in

pytestmark = pytest.mark.fast

INSERT = "INSERT INTO parsed_files VALUES (?, ?)"
SELECT = "SELECT path, value FROM parsed_files"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Make a cache with one entry."""
    cache = Cache(tmp_path / "mlgit")
    cache.write(lambda database: database.execute(INSERT, ["a.yml", "1"]))
    return cache


def test_an_entry_is_read_as_it_was_written(cache):
    assert cache.read(SELECT) == [("a.yml", "1")]


def test_a_cache_that_does_not_exist_holds_nothing(tmp_path):
    cache = Cache(tmp_path)
    assert cache.open() is None
    assert cache.read(SELECT) == []
    assert list(tmp_path.iterdir()) == []


def test_entries_of_another_version_of_the_code_are_not_read_and_are_dropped_by_a_write(cache, monkeypatch):
    monkeypatch.setattr("reconciler.source.cache.installation_stamp", lambda: "another")
    assert cache.read(SELECT) == []
    cache.write(lambda database: database.execute(INSERT, ["b.yml", "2"]))
    assert cache.read(SELECT) == [("b.yml", "2")]
    monkeypatch.undo()
    assert cache.read(SELECT) == []


def test_a_damaged_file_holds_nothing_and_is_replaced_after_the_next_write(cache):
    cache.path.write_bytes(b"this is not a database" * 100)
    assert cache.read(SELECT) == []
    cache.write(lambda database: database.execute(INSERT, ["b.yml", "2"]))
    assert not cache.path.exists()
    cache.write(lambda database: database.execute(INSERT, ["b.yml", "2"]))
    assert cache.read(SELECT) == [("b.yml", "2")]


def test_a_write_that_fails_changes_nothing(cache):
    def fill(database: sqlite3.Connection) -> None:
        database.execute(INSERT, ["b.yml", "2"])
        raise sqlite3.OperationalError("disk full")

    cache.write(fill)
    assert cache.read(SELECT) == [("a.yml", "1")]


def test_a_path_that_is_not_utf8_is_not_remembered(cache):
    cache.write(lambda database: database.execute(INSERT, ["\udcff.yml", "2"]))
    assert cache.read(SELECT) == [("a.yml", "1")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_remembers_nothing(tmp_path):
    tmp_path.chmod(0o500)
    cache = Cache(tmp_path / "mlgit")
    cache.write(lambda database: database.execute(INSERT, ["a.yml", "1"]))
    tmp_path.chmod(0o700)
    assert cache.read(SELECT) == []


def test_a_cache_that_another_process_locks_holds_nothing(cache, monkeypatch):
    monkeypatch.setattr("reconciler.source.cache._LOCK_TIMEOUT", 0.01)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert cache.read(SELECT) == []
        cache.write(lambda database: database.execute(INSERT, ["b.yml", "2"]))
    assert cache.read(SELECT) == [("a.yml", "1")]


def test_one_open_cache_shows_the_entries_of_one_moment(cache, monkeypatch):
    monkeypatch.setattr("reconciler.source.cache._LOCK_TIMEOUT", 0.01)
    with closing(cache.open()) as database:
        cache.write(lambda other: other.execute(INSERT, ["b.yml", "2"]))
        assert database.execute(SELECT).fetchall() == [("a.yml", "1")]


def test_any_number_of_values_can_be_selected(tmp_path):
    cache = Cache(tmp_path)
    rows = [(f"{number}.yml", str(number)) for number in range(1200)]
    cache.write(lambda database: database.executemany(INSERT, rows))
    with closing(cache.open()) as database:
        selected = select_in(database, f"{SELECT} WHERE path IN", [path for path, _ in rows])
        assert sorted(selected) == sorted(rows)
