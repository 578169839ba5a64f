"""The datastores of every workspace: paths in the object store that point at contents."""

from __future__ import annotations

import io

import pytest

from reconciler.diagnostics import UserError
from reconciler.storage.datastores._object_store import ObjectStoreDatastore
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.fast


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


@pytest.fixture
def datastore(store):
    return ObjectStoreDatastore(store, "workspaceblobstore")


def read(datastore, path, identity=None):
    with datastore.open(path, identity) as stream:
        return stream.read()


def code_of(function, *arguments):
    with pytest.raises(UserError) as error:
        function(*arguments)
    return error.value.diagnostics[0].code


def test_what_another_has_changed_in_the_store_is_not_read_as_what_was_written(datastore, store):
    datastore.write("a.txt", io.BytesIO(b"one"))
    (_, content), *_ = datastore.contents()
    path = store.object_files.object_path(content.digest)
    path.chmod(0o644)
    path.write_bytes(b"two")
    assert code_of(read, datastore, "a.txt") == "content-corrupt"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"content": 5, "path": "a", "modified": ""}', b"[" * 100_000])
def test_an_entry_that_another_has_damaged_is_an_error_for_people(datastore, store, data):
    datastore.write("a.txt", io.BytesIO(b"one"))
    (name,) = store.list("in-workspaceblobstore/")
    store.delete(name)
    store.create(name, data)
    assert code_of(datastore.stat, "a.txt") == "content-corrupt"


@pytest.mark.parametrize("path", ["a.txt", "a b/ü.txt", "_/__/x", "a/" + "x" * 250 + "/" + "ä" * 80, "-", ".hidden"])
def test_any_path_is_found_again(datastore, path):
    written = datastore.write(path, io.BytesIO(b"one"))
    assert datastore.stat(path) == written
    assert [entry.path for entry in datastore.list("")] == [path]
    assert read(datastore, path, written.identity) == b"one"
    datastore.delete(path)
    assert code_of(datastore.stat, path) == "datastore-path-missing"


def test_a_folder_is_what_has_files_below_it(datastore):
    for path in ("a/b/1", "a/b/2", "a-b", "ab"):
        datastore.write(path, io.BytesIO(b""))
    assert datastore.stat("a").is_folder
    assert [entry.path for entry in datastore.list("a")] == ["a/b/1", "a/b/2"]
    top = [(entry.path, entry.is_folder) for entry in datastore.list("", recursive=False)]
    assert top == [("a", True), ("a-b", False), ("ab", False)]
    assert code_of(datastore.list, "a-b") == "datastore-not-a-folder"
    assert code_of(datastore.write, "a/b", io.BytesIO(b"")) == "datastore-not-a-file"
    assert code_of(datastore.list, "c") == "datastore-path-missing"
    assert code_of(datastore.open, "a") == "datastore-path-missing"


def test_equal_files_are_kept_once_and_a_replaced_one_is_noticed(datastore, store, tmp_path):
    first = datastore.write("a", io.BytesIO(b"same"))
    datastore.write("b", io.BytesIO(b"same"))
    assert len([path for path in (tmp_path / "store/files").rglob("*") if path.is_file()]) == 1
    datastore.write("a", io.BytesIO(b"other"))
    assert read(datastore, "a") == b"other"
    assert code_of(datastore.open, "a", first.identity) == "datastore-file-changed"
    other = ObjectStoreDatastore(store, "workspacefilestore")
    assert list(other.list("")) == []


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b"])
def test_a_path_never_leaves_the_datastore(datastore, path):
    assert code_of(datastore.stat, path) == "path-outside"
    assert code_of(datastore.write, path, io.BytesIO(b"")) == "path-outside"
