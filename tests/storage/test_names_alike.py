"""Servers of SMB ignore upper and lower case: files that differ in it alone are one file there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from storage.datastore_benches import make_share

from reconciler.diagnostics import UserError
from reconciler.model.datastores import check_names
from reconciler.project.data_files import DataPath
from reconciler.project.data_transfers import find_upload, upload
from reconciler.storage.datastores._masked import MaskedDatastore


@pytest.fixture
def share(request, tmp_path):
    """Open a share of Samba as `mlgit data` does."""
    datastore = make_share(request).open()
    return MaskedDatastore("share", lambda: datastore, tuple)


def put(share, source: Path, path: str, tmp_path: Path, *, overwrite: bool = False) -> int:
    place = DataPath(share, "share", path, tmp_path / "local")
    return upload(place, find_upload(source, place, into_folder=False), overwrite=overwrite)


@pytest.mark.services
def test_files_of_a_folder_that_differ_in_case_alone_are_refused_before_anything_is_put(share, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("sub/Data.csv", "sub/data.csv", "other.csv"):
        (folder / name).write_text(name, "utf-8")
    with pytest.raises(UserError) as raised:
        put(share, folder, "raw", tmp_path)
    (problem,) = raised.value.diagnostics
    assert problem.code == "datastore-names-alike"
    assert problem.message == (
        f"{share.location} ignores upper and lower case: raw/sub/Data.csv and raw/sub/data.csv would be one file"
    )
    assert list(share.list("")) == []
    (folder / "sub/Data.csv").unlink()
    assert put(share, folder, "raw", tmp_path) == 2


@pytest.mark.services
def test_a_file_that_is_there_in_other_case_is_not_replaced_unless_that_is_asked_for(share, tmp_path):
    share.write("raw/a.csv", io.BytesIO(b"theirs"))
    share.write("raw/b.csv", io.BytesIO(b"theirs"))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("A.csv", "c.csv"):
        (folder / name).write_text("ours", "utf-8")
    with pytest.raises(UserError) as raised:
        put(share, folder, "raw", tmp_path)
    assert raised.value.diagnostics[0].code == "target-exists"
    assert share.open("raw/a.csv").read() == b"theirs"
    assert put(share, folder, "raw", tmp_path, overwrite=True) == 2
    assert sorted(share.open(entry.path).read() for entry in share.list("raw")) == [b"ours", b"ours", b"theirs"]


@pytest.mark.fast
def test_other_datastores_have_both_files():
    check_names(object(), ["A.csv", "a.csv"])
