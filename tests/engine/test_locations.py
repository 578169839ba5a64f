"""Wildcards of paths, and when two identities are of the same bytes."""

from __future__ import annotations

import io
import os
import time
from types import SimpleNamespace

import pytest

from reconciler.diagnostics import UserError
from reconciler.engine.locations import list_place, locate
from reconciler.engine.remote_contents import bring
from reconciler.model.datastores import DatastoreSettings, Identity, Location, folder_identity, is_same_identity
from reconciler.planning.data_places import DataPlace, Datastores
from reconciler.storage.datastores import open_datastore
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.fast

FILES = ("a.csv", "a.txt", "x/b.csv", "x/b c.csv", "x/y/d.csv", "x/y/d.parquet")


@pytest.fixture
def datastore(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    nothing = lambda _: None  # noqa: E731 - there are no secrets
    opened = open_datastore(DatastoreSettings("d", "local", {}, {"path": str(folder)}, nothing, lambda _: "", "/"))
    for path in FILES:
        opened.write(path, io.BytesIO(path.encode()))
    return opened


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "x/b c.csv", "x/b.csv", "x/y/d.csv"]),
        ("x/*.csv", ["x/b c.csv", "x/b.csv"]),
        ("x/b?c.csv", ["x/b c.csv"]),
        ("x/**", ["x/b c.csv", "x/b.csv", "x/y/d.csv", "x/y/d.parquet"]),
        ("x/**/d.*", ["x/y/d.csv", "x/y/d.parquet"]),
        ("[ab].txt", ["a.txt"]),
        ("x", ["x/b c.csv", "x/b.csv", "x/y/d.csv", "x/y/d.parquet"]),
    ],
)
def test_wildcards_match_within_a_part_and_two_stars_any_parts(datastore, path, expected):
    assert sorted(entry.path for entry in list_place(datastore, DataPlace("d", path))) == expected


def test_many_wildcards_for_any_parts_take_no_longer_than_one(datastore):
    deep = "/".join("abcdefghijklmnopqrst")
    datastore.write(f"{deep}/f.csv", io.BytesIO(b"1"))
    start = time.process_time()
    with pytest.raises(UserError, match="matches no file"):
        list_place(datastore, DataPlace("d", "/".join(["**"] * 20) + "/nothing"))
    assert [entry.path for entry in list_place(datastore, DataPlace("d", "/".join(["**"] * 20) + "/f.csv"))]
    assert time.process_time() - start < 5


def test_what_matches_nothing_is_an_error(datastore):
    with pytest.raises(UserError, match=r"\*\.json matches no file"):
        list_place(datastore, DataPlace("d", "*.json"))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Identity(1, "a"), Identity(1, "a", "later"), True),
        (Identity(1, '"a"'), Identity(1, 'W/"a"'), True),
        (Identity(1, "a", "now"), Identity(1, "b", "now"), False),
        (Identity(1, "", "now", "7"), Identity(1, "", "later", "7"), True),
        (Identity(1, "", "now"), Identity(1, "", "now"), True),
        (Identity(1, "", "now"), Identity(2, "", "now"), False),
        (Identity(1, "", "now"), Identity(1, "", "later"), False),
    ],
)
def test_what_decides_is_the_etag_then_the_version_then_size_and_time(first, second, expected):
    assert is_same_identity(first, second) is expected


class Counting:
    """A datastore that counts the files that are read, and fails at one of them."""

    def __init__(self, datastore, fails_at=""):
        self._datastore = datastore
        self.fails_at = fails_at
        self.opened: list[str] = []

    def __getattr__(self, name):
        return getattr(self._datastore, name)

    def open(self, path, identity=None):
        if path == self.fails_at:
            raise UserError
        self.opened.append(path)
        return self._datastore.open(path, identity)


def test_a_folder_that_was_cut_goes_on_with_the_files_that_it_lacks(datastore, tmp_path):
    store, said = FolderStore(tmp_path / "store"), []
    location = Location("x", "d", "x", folder_identity(datastore.list("x"), "x"), is_folder=True)
    cut = Counting(datastore, fails_at="x/y/d.parquet")
    with pytest.raises(UserError):
        bring(store, cut, location, tmp_path, said.append)
    whole = Counting(datastore)
    content = bring(store, whole, location, tmp_path, said.append)
    assert sorted({*cut.opened, *whole.opened}) == sorted(path for path in FILES if path.startswith("x/"))
    assert not set(cut.opened) & set(whole.opened)
    assert [file.path for file in store.manifest(content)] == ["b c.csv", "b.csv", "y/d.csv", "y/d.parquet"]
    again = Counting(datastore)
    assert bring(store, again, location, tmp_path, said.append) == content
    assert again.opened == []


def test_a_datastore_that_is_bound_to_another_place_is_read_again_though_its_files_look_the_same(tmp_path):
    store = FolderStore(tmp_path / "store")
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "in.csv").write_text(name, "utf-8")
        os.utime(folder / "in.csv", (0, 0))  # as an archive or an image has them
        nothing = lambda _: None  # noqa: E731 - there are no secrets
        opened = open_datastore(DatastoreSettings("d", "local", {}, {"path": str(folder)}, nothing, lambda _: "", "/"))
        config = SimpleNamespace(mirrors={}, datastores={"d": {"type": "local"}})
        location = locate("azureml://datastores/d/paths/in.csv", Datastores(config), lambda _name, d=opened: d)
        contents.append(bring(store, opened, location, tmp_path, len))
    assert contents[0].sha256 != contents[1].sha256
    assert Location.from_json(location.to_json()) == location
