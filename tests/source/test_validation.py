"""Many files at once: on every core and from memory the same comes out as one by one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from workspaces import SMALL, write

from reconciler.source.disk import DiskFiles, expand_paths
from reconciler.source.file_summary import dump_summary, load_summary, summarise_file
from reconciler.source.validation import check_files
from reconciler.source.validation_cache import ValidationCache


@pytest.fixture
def many(tmp_path: Path) -> tuple[DiskFiles, list[str]]:
    """Make a hundred files, some of them wrong."""
    for index in range(25):
        write(tmp_path / f"w{index}", SMALL)
    write(tmp_path / "w3", {"jobs/sum.yml": SMALL["jobs/sum.yml"].replace("command:", "comand:")})
    write(tmp_path / "w7", {"models/total.yml": SMALL["models/total.yml"].replace("custom_model", "custom")})
    write(tmp_path / "w9", {"data/numbers.yml": "$schema: azureml/data.schema.json\nname: [1\n"})
    files = DiskFiles(tmp_path, {})
    return files, list(expand_paths(tmp_path, ["."]))


def settled(files: DiskFiles, paths: list[str]) -> None:
    """Wait until files are old enough to be told by their stamp."""
    deadline = time.monotonic() + 10
    while not all(files.stamp(path) for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def one_by_one(files: DiskFiles, paths: list[str]) -> list[str]:
    return [str(problem) for path in paths for problem in summarise_file(files, path).diagnostics]


def test_every_core_finds_what_one_finds(many):
    files, paths = many
    assert len(paths) > 64, "few files are read by one process"
    checked = check_files(files, paths, None, one_workspace=False)
    assert [str(diagnostic) for diagnostic in checked.diagnostics] == one_by_one(files, paths)


def test_what_is_remembered_is_what_was_found(many, tmp_path):
    files, paths = many
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    first = check_files(files, paths, memo, one_workspace=False)
    assert check_files(files, paths, memo, one_workspace=False) == first


def test_a_file_that_changed_is_read_again(many, tmp_path):
    files, paths = many
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    check_files(files, paths, memo, one_workspace=False)
    write(tmp_path / "w0", {"workspace.yml": "$schema: azureml/workspace.schema.json\nname: x\nlocaton: y\n"})
    found = check_files(files, paths, memo, one_workspace=False)
    assert "localton" not in str(found)
    assert [
        diagnostic.message
        for diagnostic in found.diagnostics
        if diagnostic.span and diagnostic.span.path == "w0/workspace.yml"
    ]


def test_a_file_is_read_again_when_one_that_it_names_is_gone(many, tmp_path):
    files, paths = many
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    check_files(files, paths, memo, one_workspace=False)
    (tmp_path / "w1" / "data" / "numbers.csv").unlink()
    found = check_files(files, paths, memo, one_workspace=False)
    assert [
        diagnostic.code
        for diagnostic in found.diagnostics
        if diagnostic.span and diagnostic.span.path == "w1/data/numbers.yml"
    ] == ["path-missing"]


class Closed(DiskFiles):
    """Files that can be looked at from outside only."""

    def read_with_stamp(self, path: str) -> tuple[bytes, str]:
        raise AssertionError(f"{path} is read")


@pytest.mark.slow  # files must grow old
def test_a_file_that_is_as_it_was_is_not_read_again(many, tmp_path):
    files, paths = many
    settled(files, paths)
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    first = check_files(files, paths, memo, one_workspace=False)
    assert check_files(Closed(tmp_path, {}), paths, memo, one_workspace=False) == first


@pytest.mark.slow  # files must grow old
def test_what_was_read_while_it_was_young_is_trusted_once_it_was_read_again(many, tmp_path):
    files, paths = many
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    check_files(files, paths, memo, one_workspace=False)
    settled(files, paths)
    check_files(files, paths, memo, one_workspace=False)
    assert all(files.stamp(path) in line for path, line in memo.load().items())


def test_what_is_wrong_in_a_part_is_remembered_where_it_stands(tmp_path):
    write(
        tmp_path,
        {
            "p.yml": "type: pipeline\nsettings: {default_compute: azureml:c}\njobs: {a: {component: ./c.yml}}\n",
            "c.yml": "$schema: azureml/commandComponent.schema.json\ntype: command\nname: c\ncomand: x\n",
        },
    )
    files, memo = DiskFiles(tmp_path, {}), ValidationCache(tmp_path / "outlines.sqlite")
    first = check_files(files, ["p.yml"], memo, one_workspace=False)
    assert {diagnostic.span.path for diagnostic in first.diagnostics if diagnostic.span} == {"c.yml"}
    assert check_files(files, ["p.yml"], memo, one_workspace=False) == first


def test_a_memo_that_is_damaged_is_made_anew(many, tmp_path):
    files, paths = many
    memo = ValidationCache(tmp_path / "broken.sqlite")
    (tmp_path / "broken.sqlite").write_bytes(b"this is no database at all" * 100)
    for _ in range(2):
        check_files(files, paths, memo, one_workspace=False)
    assert memo.load().keys() == set(paths)


def test_a_memo_that_cannot_be_read_is_no_memo(many, tmp_path):
    files, paths = many
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database at all" * 100)
    assert check_files(files, paths, ValidationCache(broken), one_workspace=False) == check_files(
        files, paths, None, one_workspace=False
    )


def test_an_outline_survives_being_written_down(many):
    files, paths = many
    for path in paths:
        found = summarise_file(files, path)
        assert load_summary(path, path, dump_summary(found)) == found


def test_an_address_declared_twice_is_wrong_only_within_one_workspace(many):
    files, paths = many
    apart = check_files(files, paths, None, one_workspace=False)
    together = check_files(files, paths, None, one_workspace=True)
    assert "declared-twice" not in {diagnostic.code for diagnostic in apart.diagnostics}
    assert "declared-twice" in {diagnostic.code for diagnostic in together.diagnostics}


@pytest.mark.parametrize("line", ["{", "1", "[true]", "[true, null, [], [], []]"])
def test_what_is_remembered_and_cannot_be_read_is_not_remembered(many, tmp_path, line):
    files, paths = many
    memo = ValidationCache(tmp_path / ".memo" / "outlines.sqlite")
    first = check_files(files, paths, memo, one_workspace=False)
    memo.save((path, line) for path in paths)
    assert check_files(files, paths, memo, one_workspace=False) == first
