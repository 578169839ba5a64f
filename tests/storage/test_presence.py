"""What is told of a store without opening it is what the opened store says."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.storage.fsck import find_corrupt_files, find_missing_contents
from reconciler.storage.object_store import ObjectStore

FILES = [("a.csv", 0o100644, b"1\n"), ("b/c.csv", 0o100755, b"2\n")]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def path(store: ObjectStore, key: str) -> Path:
    return store.root / "files" / "md5" / key[:2] / key[2:]


def test_what_was_put_is_there_and_whole(store):
    keys = (store.put_files(FILES).md5, store.put_bytes("x", b"x").md5, store.put_files([]).md5)
    assert find_missing_contents(store.root, keys) == frozenset()
    assert find_corrupt_files(store.root, keys) == {}


def test_a_folder_is_not_there_without_each_of_its_files(store):
    key, other = store.put_files(FILES).md5, store.put_bytes("x", b"x").md5
    lost = store.put_bytes("a", b"1\n").md5
    path(store, lost).unlink()
    assert (
        find_missing_contents(store.root, [key, other, lost])
        == {key, lost}
        == {*store.missing_keys([key, other, lost])}
    )
    assert find_corrupt_files(store.root, [key, other, lost]) == {}


def test_a_file_whose_bytes_are_others_is_named(store):
    key = store.put_files(FILES).md5
    wrong = path(store, store.put_bytes("a", b"1\n").md5)
    wrong.chmod(0o600)
    wrong.write_bytes(b"3\n")
    assert find_missing_contents(store.root, [key]) == frozenset()
    assert find_corrupt_files(store.root, [key]) == {key: (str(wrong),)}
    assert not store.is_intact(key)


@pytest.mark.parametrize("listing", [b"", b"[1]", b'[{"md5": "../../x", "relpath": "a"}]', b"\xff"])
def test_a_listing_that_cannot_be_read_is_as_good_as_none(store, listing):
    key = store.put_files(FILES).md5
    path(store, key).chmod(0o600)
    path(store, key).write_bytes(listing)
    assert find_missing_contents(store.root, [key]) == {key}


def test_looking_makes_no_store(tmp_path):
    assert find_missing_contents(tmp_path / "none", ["0" * 32, "no key", "../.."]) == {"0" * 32, "no key", "../.."}
    assert find_corrupt_files(tmp_path / "none", ["0" * 32]) == {}
    assert not (tmp_path / "none").exists()
