"""Folders that stay open: a file is read from the folder that was checked, whatever is at its path later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.source.disk import DiskFiles
from reconciler.source.open_folders import OpenFolders
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import Root

MAX_BYTES = 100


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = Path(os.path.realpath(tmp_path)) / "top"
    for folder in (top / "a/b", top / "c", tmp_path / "outside/b"):
        folder.mkdir(parents=True)
    for number in range(2):
        (top / f"a/b/{number}").write_text("inside")
        (tmp_path / f"outside/b/{number}").write_text("outside")
    return top


def rooted_files(top: Path) -> RootedFiles:
    return RootedFiles(top, (Root(str(top)),))


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("folder", ["a", "a/b"])
@pytest.mark.parametrize("reads_first", [True, False], ids=["after a read", "before a read"])
def test_a_folder_that_is_replaced_by_a_link_leads_out_neither_before_nor_after_it_was_opened(top, folder, reads_first):
    files = rooted_files(top)
    assert files.is_file("a/b/0")  # the path was checked
    if reads_first:
        assert files.read_file("a/b/0", MAX_BYTES) == b"inside"
    (top / folder).rename(top / "moved")
    (top / folder).symlink_to(top.parent / "outside" / folder.removeprefix("a").strip("/"))
    if reads_first:
        assert files.read_file("a/b/1", MAX_BYTES) == b"inside"
    else:
        with pytest.raises(OSError, match="Not a directory"):
            files.read_file("a/b/1", MAX_BYTES)


def test_a_file_that_is_replaced_by_a_link_leads_out_of_no_open_folder(top):
    files = rooted_files(top)
    assert files.read_file("a/b/0", MAX_BYTES) == b"inside"
    (top / "a/b/1").unlink()
    (top / "a/b/1").symlink_to(top.parent / "outside/b/1")
    with pytest.raises(OSError, match="outside"):
        files.read_file("a/b/1", MAX_BYTES)


def test_few_folders_are_open_at_once_and_none_when_the_files_are_gone(top):
    before = open_descriptors()
    files = DiskFiles(top, {}, (Root(str(top)),))
    deep = "/".join(["d"] * 40)
    for path in (*(f"folder{number}/file" for number in range(60)), f"{deep}/file", "a/b/0"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path)
        assert files.read_file(path) == path.encode()
        assert len(open_descriptors() - before) <= 16
    del files
    assert open_descriptors() <= before


def test_a_folder_that_cannot_be_opened_leaves_nothing_open_but_what_is_remembered(top):
    before = open_descriptors()
    folders = OpenFolders()
    for name in ("missing", "a/missing", "a/b/0", "a/b/0/x"):
        with pytest.raises(OSError, match=r"No such file|Not a directory"):
            folders.open(str(top), f"{top}/{name}")
    folders.close()
    assert open_descriptors() <= before


@pytest.mark.parametrize("path", [".", "a", "a/..", "c/"])
def test_a_folder_is_not_read_as_a_file(top, path):
    with pytest.raises(IsADirectoryError):
        rooted_files(top).read_file(path, MAX_BYTES)


def test_a_forked_process_reads_through_the_folders_that_were_open(top):
    files = rooted_files(top)
    assert files.read_file("a/b/0", MAX_BYTES) == b"inside"
    child = os.fork()
    if child == 0:
        os._exit(0 if files.read_file("a/b/1", MAX_BYTES) == b"inside" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert files.read_file("a/b/1", MAX_BYTES) == b"inside"
