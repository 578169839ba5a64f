"""Stamps: what has not changed is not read again, and what cannot be known is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.storage import objects
from reconciler.storage.object_store import ObjectStore

REGULAR = 0o100644


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the files whose digests are computed from now on."""
    names: list[str] = []
    original = objects._compute_digests

    def compute(file, *arguments):
        names.append(Path(file.name).name)
        return original(file, *arguments)

    monkeypatch.setattr(objects, "_compute_digests", compute)
    return names


@pytest.fixture
def content(tmp_path):
    files = [(f"{number}.txt", REGULAR, f"{number}".encode()) for number in range(600)]
    return ObjectStore(tmp_path / "store").put_files([*files, ("run.sh", 0o100755, b"true")])


def test_nothing_unchanged_is_read(tmp_path, content, read):
    store = ObjectStore(tmp_path / "store")
    assert store.find_damage(content) is None
    assert len(store.verified_stamps(file.md5 for file in store.manifest(content.md5))) == 601
    assert read == []


def test_what_was_only_touched_is_read_once(tmp_path, content, read):
    for path in (tmp_path / "store").glob("files/md5/*/*"):
        path.touch()
    assert ObjectStore(tmp_path / "store").find_damage(content) is None
    assert len(read) == 602  # with the list of the files
    assert ObjectStore(tmp_path / "store").find_damage(content) is None
    assert len(read) == 602


@pytest.mark.parametrize(
    "data", [None, b"", b"not a database" * 1000], ids=["no file", "an empty file", "a damaged file"]
)
def test_without_usable_stamps_everything_is_read_once(data, tmp_path, content, read):
    path = tmp_path / "store" / "verified.sqlite"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert ObjectStore(tmp_path / "store").find_damage(content) is None
    assert len(read) == 602
    for _ in range(2):
        assert ObjectStore(tmp_path / "store").find_damage(content) is None
    assert len(read) <= 1204


def test_putting_what_was_changed_writes_it_again(tmp_path):
    store = ObjectStore(tmp_path / "store")
    content = store.put_bytes("x", b"right")
    (path,) = (tmp_path / "store").glob("files/md5/*/*")
    path.chmod(0o644)
    path.write_bytes(b"wrong")
    assert store.find_damage(content)
    assert store.put_bytes("x", b"right") == content
    assert (path.read_bytes(), store.find_damage(content)) == (b"right", None)


def test_a_modes_file_that_does_not_belong_to_a_content_is_damage(tmp_path):
    store = ObjectStore(tmp_path / "store")
    content = store.put_files([("a", REGULAR, b"a")])
    path = tmp_path / "store" / "modes" / content.md5 / f"{content.sha256}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"a": 40960}')
    assert store.find_damage(content) == ("", path)
    store.put_files([("a", REGULAR, b"a")])
    assert store.find_damage(content) is None
