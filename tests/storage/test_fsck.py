"""The checks of a store that is not opened agree with those of the open store."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.storage.fsck import find_corrupt_files, find_missing_contents
from reconciler.storage.object_store import ObjectStore

FILES = [("a.csv", 0o100644, b"1\n"), ("b/c.csv", 0o100755, b"2\n")]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def object_path(store: ObjectStore, key: str) -> Path:
    return store.root / "files" / "md5" / key[:2] / key[2:]


def test_stored_contents_are_present_and_intact(store):
    keys = (store.put_files(FILES).md5, store.put_bytes("x", b"x").md5, store.put_files([]).md5)
    assert find_missing_contents(store.root, keys) == frozenset()
    assert find_corrupt_files(store.root, keys) == {}


def test_a_folder_is_missing_if_one_of_its_files_is(store):
    key, other = store.put_files(FILES).md5, store.put_bytes("x", b"x").md5
    missing = store.put_bytes("a", b"1\n").md5
    object_path(store, missing).unlink()
    assert (
        find_missing_contents(store.root, [key, other, missing])
        == {key, missing}
        == {md5 for md5 in (key, other, missing) if not store.has_content(md5)}
    )
    assert find_corrupt_files(store.root, [key, other, missing]) == {}


def test_a_file_with_other_bytes_is_corrupt(store):
    key = store.put_files(FILES).md5
    corrupt = object_path(store, store.put_bytes("a", b"1\n").md5)
    corrupt.chmod(0o600)
    corrupt.write_bytes(b"3\n")
    assert find_missing_contents(store.root, [key]) == frozenset()
    assert find_corrupt_files(store.root, [key]) == {key: (str(corrupt),)}
    assert not store.is_intact(key)


@pytest.mark.parametrize("listing", [b"", b"[1]", b'[{"md5": "../../x", "relpath": "a"}]', b"\xff"])
def test_a_folder_whose_listing_cannot_be_read_is_missing(store, listing):
    key = store.put_files(FILES).md5
    object_path(store, key).chmod(0o600)
    object_path(store, key).write_bytes(listing)
    assert find_missing_contents(store.root, [key]) == {key}


def test_a_check_does_not_create_a_store(tmp_path):
    assert find_missing_contents(tmp_path / "none", ["0" * 32, "no key", "../.."]) == {"0" * 32, "no key", "../.."}
    assert find_corrupt_files(tmp_path / "none", ["0" * 32]) == {}
    assert not (tmp_path / "none").exists()
