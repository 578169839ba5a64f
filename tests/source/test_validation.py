"""Validation of many files gives the same result in several processes and from the cache as file by file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from workspaces import SMALL, write

from reconciler.diagnostics import has_errors
from reconciler.format.include import ANY_FILE
from reconciler.model import EMPTY_MAPPING
from reconciler.source.cache import Cache
from reconciler.source.disk import DiskFiles, expand_paths
from reconciler.source.parse import parse_file
from reconciler.source.parsed_file import DECODE_ERRORS, ParsedFile, decode_parsed_file, encode_parsed_file
from reconciler.source.validation import CheckResult, check_files


@pytest.fixture
def many(tmp_path: Path) -> tuple[DiskFiles, list[str]]:
    """Make a hundred files, some of them with errors."""
    for index in range(25):
        write(tmp_path / f"w{index}", SMALL)
    write(tmp_path / "w3", {"jobs/sum.yml": SMALL["jobs/sum.yml"].replace("command:", "comand:")})
    write(tmp_path / "w7", {"models/total.yml": SMALL["models/total.yml"].replace("custom_model", "custom")})
    write(tmp_path / "w9", {"data/numbers.yml": "$schema: azureml/data.schema.json\nname: [1\n"})
    files = DiskFiles(tmp_path, {})
    return files, list(expand_paths(files.rooted, ["."]))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / ".cache")


def check(files: DiskFiles, paths: list[str], cache: Cache | None = None) -> CheckResult:
    return check_files(files, paths, cache)


def parse(files: DiskFiles, path: str) -> ParsedFile:
    return parse_file(files, path, ANY_FILE, EMPTY_MAPPING)


def codes_in(result: CheckResult, path: str) -> list[str]:
    return [diagnostic.code for diagnostic in result.diagnostics if diagnostic.span and diagnostic.span.path == path]


def wait_until_stamps_count(files: DiskFiles, paths: list[str]) -> None:
    """Wait until the files are old enough to be recognised by their stamps."""
    deadline = time.monotonic() + 120
    while not all(files.stamp(path) for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_several_processes_report_what_one_reports(many):
    files, paths = many
    assert len(paths) > 64, "fewer files are parsed by one process"
    one_by_one = [str(diagnostic) for path in paths for diagnostic in parse(files, path).diagnostics]
    assert [str(diagnostic) for diagnostic in check(files, paths).diagnostics] == one_by_one


def test_a_result_from_the_cache_equals_the_first(many, cache):
    files, paths = many
    first = check(files, paths, cache)
    assert len(cache.read("SELECT path FROM parsed_files")) == len(paths)
    assert check(files, paths, cache) == first == check(files, paths)


def test_a_file_that_changed_is_parsed_again(many, cache, tmp_path):
    files, paths = many
    check(files, paths, cache)
    write(tmp_path / "w0", {"workspace.yml": "$schema: azureml/workspace.schema.json\nname: x\nlocaton: y\n"})
    assert "unknown-field" in codes_in(check(files, paths, cache), "w0/workspace.yml")


def test_a_file_is_parsed_again_if_one_that_it_names_is_deleted(many, cache, tmp_path):
    files, paths = many
    check(files, paths, cache)
    (tmp_path / "w1" / "data" / "numbers.csv").unlink()
    assert codes_in(check(files, paths, cache), "w1/data/numbers.yml") == ["path-missing"]


class UnreadableFiles(DiskFiles):
    """Files that exist and cannot be read."""

    def read_with_stamp(self, path: str) -> tuple[bytes, str]:
        raise AssertionError(f"{path} is read")


@pytest.mark.slow  # files must grow old
def test_a_file_with_the_same_stamp_is_not_read_again(many, cache, tmp_path):
    files, paths = many
    wait_until_stamps_count(files, paths)
    first = check(files, paths, cache)
    assert check(UnreadableFiles(tmp_path, {}), paths, cache) == first


@pytest.mark.slow  # files must grow old
def test_a_file_that_was_young_gets_its_stamp_when_it_is_read_again(many, cache):
    files, paths = many
    check(files, paths, cache)
    wait_until_stamps_count(files, paths)
    check(files, paths, cache)
    values = dict(cache.read("SELECT path, value FROM parsed_files"))
    assert all(files.stamp(path) in values[path] for path in paths)


def test_a_diagnostic_in_an_included_file_is_remembered_with_its_own_path(tmp_path, cache):
    write(
        tmp_path,
        {
            "p.yml": "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\ntype: pipeline\n"
            "settings: {default_compute: azureml:c}\njobs: {a: {component: ./c.yml}}\n",
            "c.yml": "$schema: azureml/commandComponent.schema.json\ntype: command\nname: c\ncomand: x\n",
        },
    )
    files = DiskFiles(tmp_path, {})
    first = check(files, ["p.yml"], cache)
    assert {diagnostic.span.path for diagnostic in first.diagnostics if has_errors([diagnostic])} == {"c.yml"}
    assert check(files, ["p.yml"], cache) == first


def test_a_damaged_cache_changes_no_result_and_is_replaced(many, cache):
    files, paths = many
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is not a database" * 100)
    assert check(files, paths, cache) == check(files, paths, cache) == check(files, paths)
    assert len(cache.read("SELECT path FROM parsed_files")) == len(paths)


def test_a_parsed_file_is_the_same_after_encoding_and_decoding(many):
    files, paths = many
    for path in paths:
        parsed = parse(files, path)
        assert decode_parsed_file(json.loads(json.dumps(encode_parsed_file(parsed)))) == parsed


DAMAGED_VALUES = [
    "1",
    "[true]",
    '["a.yml", true, null, [], [], {}]',
    '["a.yml", true, "", [], [], []]',
    '["a.yml", 1, "", [], [], {}]',
    '["a.yml", true, "", [["data/x", "azureml:x", 0, 1]], [], {}]',
    '["a.yml", true, "", [], [["code", "message", null, "hint", "loud"]], {}]',
    '["a.yml", true, "", [], [], {"a.yml": 1}]',
]


@pytest.mark.parametrize("value", DAMAGED_VALUES)
def test_a_value_that_is_no_parsed_file_is_a_decode_error(value):
    with pytest.raises(DECODE_ERRORS):
        decode_parsed_file(json.loads(value))


@pytest.mark.parametrize("value", ["{", *DAMAGED_VALUES])
def test_an_entry_that_cannot_be_decoded_is_parsed_again(many, cache, value):
    files, paths = many
    first = check(files, paths, cache)
    cache.write(lambda database: database.execute("UPDATE parsed_files SET value = ?", [value]))
    assert check(files, paths, cache) == first
