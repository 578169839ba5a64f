"""Build contexts as folders: what their ignore file leaves out, and files that are no text, or links to themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.builders._docker_context import read_dockerfile, remove_ignored
from reconciler.builders._docker_images import ImagePython, _read_python
from reconciler.builders._imports import read_import_failure
from reconciler.diagnostics import UserError

pytestmark = pytest.mark.fast

FILES = ("a", "b", "d/a", "d/b")
CASES = {
    "[^a]": {"a"},  # these are what Docker 20.10 leaves in the context
    "d": {"a", "b"},
    "d/*": {"a", "b"},
    "../a": {"a", "b", "d/a", "d/b"},
    "!../a": {"a", "b", "d/a", "d/b"},
    "*\n!d/b": {"d/b"},
    "\ufeffa": {"b", "d/a", "d/b"},
}


def left(folder: Path, ignored: bytes) -> set[str]:
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / ".dockerignore").write_bytes(ignored)
    remove_ignored("environment/a", folder, "Dockerfile")
    assert (folder / "d").exists() == (ignored not in {b"d", b"[^a]"})
    return {name for name in FILES if (folder / name).exists()}


@pytest.mark.parametrize(("pattern", "expected"), CASES.items())
def test_what_docker_ignores_is_removed(pattern: str, expected: set[str], tmp_path: Path) -> None:
    assert left(tmp_path, pattern.encode()) == expected


@pytest.mark.parametrize("ignored", [b"\xff", b"[z-a]"])
def test_an_ignore_file_that_docker_cannot_read_is_an_error(ignored: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        left(tmp_path, ignored)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "dockerignore-invalid"
    assert diagnostic.message.startswith("environment/a: .dockerignore of the build context cannot be read: ")


@pytest.mark.parametrize("name", ["loop", "a\0b", "folder", "binary", "x" * 300])
def test_a_dockerfile_that_cannot_be_read_is_missing(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(UserError) as caught:
        read_dockerfile("environment/a", tmp_path, name)
    assert caught.value.diagnostics[0].code == "dockerfile-missing"


def test_the_mark_of_utf_8_is_no_part_of_a_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"\xef\xbb\xbfFROM a\r\n")
    assert read_dockerfile("environment/a", tmp_path, "Dockerfile") == "FROM a\n"


PRINTED: Mapping[bytes, ImagePython | None] = {
    b'["3.12.1", "cpython-312-linux-x86_64-glibc-2.36", ""]': ImagePython(
        "3.12.1", "cpython-312-linux-x86_64-glibc-2.36"
    ),
    b"": None,
    b"\xff": None,
    b"hello": None,
    b"3": None,
    b'["--index-url=x", "a", ""]': None,
    b'["3.12", "a b", ""]': None,
    b"[3, 4, 5]": None,
    b"[" * 100_000: None,
}


@pytest.mark.parametrize(("printed", "python"), PRINTED.items(), ids=range(len(PRINTED)))
def test_a_program_that_is_no_python_is_not_taken_for_one(printed: bytes, python: ImagePython | None) -> None:
    assert _read_python(printed) == python


@pytest.mark.parametrize("output", ["", "done", "["])
def test_a_module_that_ends_the_interpreter_cannot_be_imported(output: str) -> None:
    assert read_import_failure(output, 0) == "the interpreter ended while it imported them"
