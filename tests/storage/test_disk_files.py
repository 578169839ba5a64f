"""Storing files from the disk: which files and links a folder can have, and the errors for all others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.diagnostics import UserError
from reconciler.storage.disk_files import put_path
from reconciler.storage.folder_store import FolderStore

PLAIN = 0o100644


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"bytes")
    return folder


def error(store: FolderStore, content: Path) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        put_path(store, content)
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_links_inside_the_folder_are_followed(store: FolderStore, source: Path) -> None:
    (source / "again").symlink_to("sub/file")
    (source / "twin").symlink_to("sub")
    (source / "chain").symlink_to("again")
    content = put_path(store, source)
    files = store.manifest(content)
    assert [(file.path, file.mode) for file in files] == [
        (path, PLAIN) for path in ("again", "chain", "sub/file", "twin/file")
    ]
    assert len({file.digest for file in files}) == 1


def test_a_folder_can_be_given_by_a_link_to_it(store: FolderStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("source")
    assert put_path(store, tmp_path / "latest") == put_path(store, source)


@pytest.mark.parametrize("target", ["../secret", "/etc/hosts", "sub/../../secret", ".."])
def test_a_link_that_leaves_the_folder_is_an_error(
    store: FolderStore, source: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "escape").symlink_to(target)
    code, message = error(store, source)
    assert code == "link-outside"
    assert f"'escape' is a link to '{target}'" in message


def test_a_link_without_a_target_and_a_cycle_of_links_are_errors(store: FolderStore, source: Path) -> None:
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


def test_a_pipe_is_an_error_and_not_read(store: FolderStore, source: Path) -> None:
    os.mkfifo(source / "pipe")
    assert error(store, source)[0] == "not-a-file"
    assert error(store, source / "pipe")[0] == "not-a-file"


def test_a_name_that_is_not_utf8_is_an_error(store: FolderStore, source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    code, message = error(store, source)
    assert code == "name-not-text"
    message.encode()


def test_a_missing_path_is_an_error(store: FolderStore, source: Path) -> None:
    assert error(store, source / "absent") == ("path-not-found", f"{source / 'absent'} does not exist")
