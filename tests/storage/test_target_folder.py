"""Files are written into a folder of the user complete and checked or not at all, over nothing else, never outside."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from stored_files import put_files

from reconciler.diagnostics import UserError
from reconciler.model.content import FOLDER_SUFFIX
from reconciler.storage.export import Export, export_contents
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.target_folder import NewFile, write_files

pytestmark = pytest.mark.fast

PLAIN, EXECUTABLE, LINK = 0o100644, 0o100755, 0o120000
OUTSIDE = ["../a", "/a", "a/../../b", "..", ".", "", "a//b", "a/./b", "a/", "a\0b", "sub/../../a"]


def new_file(path: str, data: bytes = b"new", mode: int = PLAIN, md5: str = "") -> NewFile:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return NewFile(path, mode, md5 or digest, partial(io.BytesIO, data))


def listing(folder: Path) -> dict[str, object]:
    """Return all that is in a folder: the bytes of a file, the target of a link."""
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def code_of(error):
    return error.value.diagnostics[0].code


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("exists", [True, False])
def test_no_path_leads_out_of_the_folder_whatever_a_list_of_files_says(tmp_path, path, exists):
    target = tmp_path / "parent" / "out"
    if exists:
        target.mkdir(parents=True)
    before = listing(tmp_path)
    with pytest.raises(UserError) as caught:
        write_files([new_file("fine"), new_file(path)], target, overwrite=True)
    assert code_of(caught) == "path-outside"
    assert listing(tmp_path) == before
    assert target.exists() == exists


@pytest.mark.parametrize("target", ["/etc", "sub/../../a", "../../a", ""])
def test_a_link_that_leads_out_is_not_written(tmp_path, target):
    with pytest.raises(UserError) as caught:
        write_files([new_file("sub/a", target.encode(), LINK)], tmp_path / "out")
    assert code_of(caught) == "link-outside"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("path", ["link/a", "link/sub/a", "sub/link/a"])
def test_a_link_in_the_folder_is_never_followed(tmp_path, path, overwrite):
    outside, target = tmp_path / "outside", tmp_path / "out"
    (outside / "sub").mkdir(parents=True)
    (outside / "a").write_text("mine", "utf-8")
    (target / "sub").mkdir(parents=True)
    for link in (target / "link", target / "sub/link"):
        link.symlink_to(outside)
    before = listing(tmp_path)
    with pytest.raises(UserError) as caught:
        write_files([new_file("b"), new_file(path)], target, overwrite=overwrite)
    assert code_of(caught) == "target-exists"
    assert listing(tmp_path) == before


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(tmp_path):
    outside, target = tmp_path / "outside", tmp_path / "out"
    outside.write_text("mine", "utf-8")
    target.mkdir()
    (target / "a").symlink_to(outside)
    with pytest.raises(UserError):
        write_files([new_file("a", b"mine")], target)
    assert write_files([new_file("a")], target, overwrite=True) == 1
    assert listing(tmp_path) == {"outside": b"mine", "out/a": b"new"}


def test_different_files_are_all_named_and_replaced_only_if_it_is_asked_for(tmp_path):
    target = tmp_path / "out"
    files = [new_file("same"), new_file("sub/other"), new_file("mode", mode=EXECUTABLE), new_file("absent/new")]
    (target / "sub").mkdir(parents=True)
    existing = {"same": b"new", "sub/other": b"old", "mode": b"new", "mine": b"mine"}
    for name, data in existing.items():
        (target / name).write_bytes(data)
    with pytest.raises(UserError) as caught:
        write_files(files, target)
    assert code_of(caught) == "target-exists"
    assert caught.value.diagnostics[0].message.endswith(": sub/other, mode")
    assert listing(target) == existing
    assert write_files(files, target, overwrite=True) == 3
    assert listing(target) == {**existing, "sub/other": b"new", "absent/new": b"new"}
    assert os.access(target / "mode", os.X_OK)
    assert write_files(files, target) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda target: target.write_text("a file", "utf-8"),
        lambda target: target.symlink_to("nowhere"),
        lambda target: (target / "a").mkdir(parents=True),
        lambda target: (target / "a/b").mkdir(parents=True),
        os.mkfifo,
    ],
    ids=["file", "dangling-link", "folder", "folder-with-folder", "pipe"],
)
def test_what_is_no_file_is_never_replaced(tmp_path, make):
    target = tmp_path / "out"
    make(target)
    with pytest.raises(UserError) as caught:
        write_files([new_file("a")], target, overwrite=True)
    assert code_of(caught) == "target-exists"
    assert list(tmp_path.rglob(".mlgit-*")) == []


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out/a")
    with pytest.raises(UserError) as caught:
        write_files([new_file("a")], tmp_path / "out")
    assert code_of(caught) == "target-exists"


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize(
    "failure",
    [
        lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
        lambda: (_ for _ in ()).throw(KeyboardInterrupt),
        lambda: (_ for _ in ()).throw(SystemExit(143)),
        lambda: io.BytesIO(b"damaged"),
    ],
    ids=["full-disk", "ctrl-c", "terminated", "damaged"],
)
def test_nothing_is_left_of_a_download_that_ends_early(tmp_path, failure, exists):
    target = tmp_path / "new" / "out"
    if exists:
        target.mkdir(parents=True)
        (target / "b").write_text("mine", "utf-8")
    before = listing(tmp_path)
    with pytest.raises((UserError, OSError, KeyboardInterrupt, SystemExit)):
        write_files([new_file("a"), new_file("b")._replace(open=failure)], target, overwrite=True)
    assert listing(tmp_path) == before
    assert [*tmp_path.rglob("*")] == ([target.parent, target, target / "b"] if exists else [])


def test_a_full_disk_leaves_nothing_and_names_the_file(tmp_path):
    code = (
        "import resource, signal, io, hashlib; from pathlib import Path\n"
        "from reconciler.storage.target_folder import NewFile, write_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "data = bytes(1_000_000)\n"
        "write_files([NewFile('a', 0o100644, '', lambda: io.BytesIO(data))], Path('out'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "File too large: 'out/a'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_disk_names_the_target_and_no_temporary_folder(tmp_path):
    (tmp_path / "file").write_text("a file", "utf-8")
    for target in (tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(OSError, match=r"Not a directory|File name too long") as caught:
            write_files([new_file("a")], target)
        assert str(caught.value.filename) == str(target)


def test_progress_counts_every_file_and_byte_also_of_files_that_are_there_already(tmp_path):
    files = [new_file("a", b"12"), new_file("b", b""), new_file("c", bytes(3_000_000))]
    for expected in ((3, 3_000_002), (3, 0)):
        reports: list[tuple[int, int]] = []
        write_files(files, tmp_path / "out", on_progress=lambda *report: reports.append(report))  # noqa: B023
        assert reports == sorted(reports)
        assert reports[-1] == expected


@pytest.mark.parametrize("part", ["modes", "list"])
def test_a_changed_list_of_files_is_noticed_though_every_file_is_whole(tmp_path, part):
    store = FolderStore(tmp_path / "store")
    content = put_files(store, [("a", EXECUTABLE, b"a"), ("b", PLAIN, b"b")])
    if part == "modes":
        path = tmp_path / "store/modes" / content.digest / f"{content.sha256}.json"
        path.write_text("{}", "utf-8")
    else:
        key = content.digest
        path = tmp_path / "store/files/md5" / key[:2] / key[2:]
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b'"b"', b'"c"'))
    assert content.digest.endswith(FOLDER_SUFFIX)
    with pytest.raises(UserError) as caught:
        export_contents(store, [Export(content, "model/x@1")], tmp_path / "out")
    assert code_of(caught) == "content-corrupt"
    assert not (tmp_path / "out").exists()
    assert "model/x@1" in caught.value.diagnostics[0].message


def test_two_downloads_into_one_folder_at_once_leave_whole_files(tmp_path):
    data = {name: os.urandom(200_000) for name in ("a", "b", "c")}
    files = [new_file(name, content) for name, content in data.items()]
    (tmp_path / "out").mkdir()
    threads = [threading.Thread(target=write_files, args=(files, tmp_path / "out")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert listing(tmp_path / "out") == data
