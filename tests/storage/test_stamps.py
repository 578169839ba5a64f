"""Stamps: what has not changed is not read again, and what cannot be known is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stored_files import put_bytes, put_files

from reconciler.model.content import Damage
from reconciler.storage import objects
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.stamps import stamp_of

REGULAR = 0o100644


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the files whose digests are computed from now on."""
    names: list[str] = []
    original = objects.compute_digests

    def compute(file, *arguments):
        names.append(Path(file.name).name)
        return original(file, *arguments)

    monkeypatch.setattr(objects, "compute_digests", compute)
    return names


@pytest.fixture
def content(tmp_path):
    files = [(f"{number}.txt", REGULAR, f"{number}".encode()) for number in range(600)]
    return put_files(FolderStore(tmp_path / "store"), [*files, ("run.sh", 0o100755, b"true")])


def test_nothing_unchanged_is_read(tmp_path, content, read):
    store = FolderStore(tmp_path / "store")
    assert store.verify(content) == ()
    files = [store.local(file.digest) for file in store.manifest(content)]
    assert len([file for file in files if file and file.stamp]) == 601
    assert read == []


def test_what_was_only_touched_is_read_once(tmp_path, content, read):
    for path in (tmp_path / "store").glob("files/md5/*/*"):
        path.touch()
    assert FolderStore(tmp_path / "store").verify(content) == ()
    assert len(read) == 602  # with the list of the files
    assert FolderStore(tmp_path / "store").verify(content) == ()
    assert len(read) == 602


@pytest.mark.parametrize(
    "data", [None, b"", b"not a database" * 1000], ids=["no file", "an empty file", "a damaged file"]
)
def test_without_usable_stamps_everything_is_read_once(data, tmp_path, content, read):
    path = tmp_path / "store" / "verified.sqlite"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert FolderStore(tmp_path / "store").verify(content) == ()
    assert len(read) == 602
    for _ in range(2):
        assert FolderStore(tmp_path / "store").verify(content) == ()
    assert len(read) <= 1204


def test_putting_what_was_changed_writes_it_again(tmp_path):
    store = FolderStore(tmp_path / "store")
    content = put_bytes(store, b"right", "x")
    (path,) = (tmp_path / "store").glob("files/md5/*/*")
    path.chmod(0o644)
    path.write_bytes(b"wrong")
    assert store.verify(content)
    assert put_bytes(store, b"right", "x") == content
    assert (path.read_bytes(), store.verify(content)) == (b"right", ())


def test_a_modes_file_that_does_not_belong_to_a_content_is_damage(tmp_path):
    store = FolderStore(tmp_path / "store")
    content = put_files(store, [("a", REGULAR, b"a")])
    path = tmp_path / "store" / "modes" / content.digest / f"{content.sha256}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"a": 40960}')
    assert store.verify(content) == (Damage("", str(path), is_missing=False),)
    put_files(store, [("a", REGULAR, b"a")])
    assert store.verify(content) == ()


def test_what_is_known_of_an_object_stays_known_when_it_is_made_young(tmp_path):
    store = FolderStore(tmp_path / "store")
    content = put_bytes(store, b"right", "x")
    (path,) = (tmp_path / "store").glob("files/md5/*/*")
    os.utime(path, (0, 0))
    stamps = FolderStore(tmp_path / "store").object_files.stamps
    stamps.record({content.digest: stamp_of(path)})
    stamps.sha256.record({content.digest: (*stamp_of(path), content.sha256)})
    stamps.flush()
    before = stamp_of(path)
    assert FolderStore(tmp_path / "store").keep(content)
    assert stamp_of(path) != before
    stamps = FolderStore(tmp_path / "store").object_files.stamps
    assert stamps.read([content.digest]) == {content.digest: stamp_of(path)}
    assert stamps.sha256.find({content.digest: stamp_of(path)}) == {content.digest: content.sha256}
    assert stamps.sha256.find({content.digest: before}) == {}
