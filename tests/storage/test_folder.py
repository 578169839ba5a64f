"""What may be in a folder: files inside it, under names that are text; everything else is refused by name."""

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


def refusal(store: ObjectStore, what: Path | list[tuple[str, int, bytes]]) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        store.put_path(what) if isinstance(what, Path) else store.put_files(what)
    [problem] = caught.value.diagnostics
    return problem.code, problem.message


def test_links_inside_the_folder_are_followed(store: ObjectStore, source: Path) -> None:
    (source / "again").symlink_to("sub/file")
    (source / "twin").symlink_to("sub")
    (source / "chain").symlink_to("again")
    content = store.put_path(source)
    rows = store.manifest(content.md5)
    assert [(path, mode) for path, _, mode in rows] == [
        (path, PLAIN) for path in ("again", "chain", "sub/file", "twin/file")
    ]
    assert len({place for _, place, _ in rows}) == 1


def test_a_folder_may_itself_be_reached_by_a_link(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("source")
    assert store.put_path(tmp_path / "latest") == store.put_path(source)


@pytest.mark.parametrize("target", ["../secret", "/etc/hosts", "sub/../../secret", ".."])
def test_a_link_that_leaves_the_folder_is_refused(
    store: ObjectStore, source: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "escape").symlink_to(target)
    code, message = refusal(store, source)
    assert code == "link-outside"
    assert f"'escape' is a link to '{target}'" in message


def test_a_link_to_nothing_and_links_in_a_circle_are_refused(store: ObjectStore, source: Path) -> None:
    link = source / "link"
    link.symlink_to("nothing")
    assert refusal(store, source)[0] == "link-dangling"
    link.unlink()
    link.symlink_to("link")
    assert refusal(store, source)[0] == "link-dangling"
    assert refusal(store, link)[0] == "path-unreadable"
    link.unlink()
    link.symlink_to(".")
    assert refusal(store, source)[0] == "link-circle"


def test_a_pipe_is_refused_and_not_read(store: ObjectStore, source: Path) -> None:
    os.mkfifo(source / "pipe")
    assert refusal(store, source)[0] == "not-a-file"
    assert refusal(store, source / "pipe")[0] == "not-a-file"


def test_a_name_that_is_not_text_is_refused(store: ObjectStore, source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    code, message = refusal(store, source)
    assert code == "name-not-text"
    message.encode()


def test_a_path_that_is_not_there_is_named(store: ObjectStore, source: Path) -> None:
    assert refusal(store, source / "absent") == ("path-not-found", f"{source / 'absent'} does not exist")


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "a\0b"])
def test_a_path_that_could_leave_the_folder_is_refused(store: ObjectStore, path: str) -> None:
    assert refusal(store, [(path, PLAIN, b"")])[0] == "path-outside"


def test_a_submodule_is_no_file(store: ObjectStore) -> None:
    assert refusal(store, [("module", SUBMODULE, b"")])[0] == "not-a-file"


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b/c", "a")])
def test_two_files_cannot_be_in_one_place(store: ObjectStore, paths: tuple[str, str]) -> None:
    assert refusal(store, [(path, PLAIN, b"") for path in paths])[0] == "path-twice"


@pytest.mark.parametrize("target", ["x", "sub/x", "../x", "../sub/x", "./x", "./../x"])
def test_a_link_of_git_that_stays_inside_is_kept_as_a_link(store: ObjectStore, target: str) -> None:
    content = store.put_files([("sub/link", LINK, target.encode())])
    [(path, place, mode)] = store.manifest(content.md5)
    assert (path, mode, Path(place).read_text()) == ("sub/link", LINK, target)


@pytest.mark.parametrize("target", ["", "/etc/hosts", "../../x", "sub/../../../x", "a/../b", "../sub/..", "a\0b"])
def test_a_link_of_git_that_may_leave_is_refused(store: ObjectStore, target: str) -> None:
    assert refusal(store, [("sub/link", LINK, target.encode())])[0] == "link-outside"
