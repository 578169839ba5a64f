"""Storing a folder: which files and links it can have, and the errors for all others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.diagnostics import UserError
from reconciler.storage.object_store import ObjectStore

PLAIN, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"bytes")
    return folder


def error(store: ObjectStore, content: Path | list[tuple[str, int, bytes]]) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        store.put_path(content) if isinstance(content, Path) else store.put_files(content)
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_links_inside_the_folder_are_followed(store: ObjectStore, source: Path) -> None:
    (source / "again").symlink_to("sub/file")
    (source / "twin").symlink_to("sub")
    (source / "chain").symlink_to("again")
    content = store.put_path(source)
    files = store.manifest(content.md5)
    assert [(file.path, file.mode) for file in files] == [
        (path, PLAIN) for path in ("again", "chain", "sub/file", "twin/file")
    ]
    assert len({file.object_path for file in files}) == 1


def test_a_folder_can_be_given_by_a_link_to_it(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("source")
    assert store.put_path(tmp_path / "latest") == store.put_path(source)


@pytest.mark.parametrize("target", ["../secret", "/etc/hosts", "sub/../../secret", ".."])
def test_a_link_that_leaves_the_folder_is_an_error(
    store: ObjectStore, source: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "escape").symlink_to(target)
    code, message = error(store, source)
    assert code == "link-outside"
    assert f"'escape' is a link to '{target}'" in message


def test_a_link_without_a_target_and_a_cycle_of_links_are_errors(store: ObjectStore, source: Path) -> None:
    link = source / "link"
    link.symlink_to("nothing")
    assert error(store, source)[0] == "link-dangling"
    link.unlink()
    link.symlink_to("link")
    assert error(store, source)[0] == "link-dangling"
    assert error(store, link)[0] == "path-unreadable"
    link.unlink()
    link.symlink_to(".")
    assert error(store, source)[0] == "link-circle"


def test_a_pipe_is_an_error_and_not_read(store: ObjectStore, source: Path) -> None:
    os.mkfifo(source / "pipe")
    assert error(store, source)[0] == "not-a-file"
    assert error(store, source / "pipe")[0] == "not-a-file"


def test_a_name_that_is_not_utf8_is_an_error(store: ObjectStore, source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    code, message = error(store, source)
    assert code == "name-not-text"
    message.encode()


def test_a_missing_path_is_an_error(store: ObjectStore, source: Path) -> None:
    assert error(store, source / "absent") == ("path-not-found", f"{source / 'absent'} does not exist")


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "a\0b"])
def test_a_path_that_could_leave_the_folder_is_an_error(store: ObjectStore, path: str) -> None:
    assert error(store, [(path, PLAIN, b"")])[0] == "path-outside"


def test_a_submodule_is_an_error(store: ObjectStore) -> None:
    assert error(store, [("module", SUBMODULE, b"")])[0] == "not-a-file"


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b/c", "a")])
def test_two_files_with_conflicting_paths_are_an_error(store: ObjectStore, paths: tuple[str, str]) -> None:
    assert error(store, [(path, PLAIN, b"") for path in paths])[0] == "path-twice"


@pytest.mark.parametrize("target", ["x", "sub/x", "../x", "../sub/x", "./x", "./../x"])
def test_a_git_link_inside_the_folder_is_stored_as_a_link(store: ObjectStore, target: str) -> None:
    content = store.put_files([("sub/link", LINK, target.encode())])
    [(path, object_path, mode, _)] = store.manifest(content.md5)
    assert (path, mode, object_path.read_text()) == ("sub/link", LINK, target)


@pytest.mark.parametrize("target", ["", "/etc/hosts", "../../x", "sub/../../../x", "a/../b", "../sub/..", "a\0b"])
def test_a_git_link_that_could_leave_the_folder_is_an_error(store: ObjectStore, target: str) -> None:
    assert error(store, [("sub/link", LINK, target.encode())])[0] == "link-outside"
