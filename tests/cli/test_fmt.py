"""mlgit fmt on real files: which it changes, which it skips, and what it prints."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from workspaces import SMALL, write

pytestmark = pytest.mark.fast

UNFORMATTED = (
    "path: numbers.csv\nname: numbers\n$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
)
FORMATTED = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: numbers\npath: numbers.csv\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with one file that is not formatted; no Git, no workspace."""
    write(tmp_path, {"data/a.yml": UNFORMATTED})
    return tmp_path


def test_files_are_formatted_without_git(folder, mlgit):
    ended = mlgit("fmt", cwd=folder)
    assert (ended.code, ended.out) == (0, "1 file: 1 changed.\n")
    assert (folder / "data/a.yml").read_text("utf-8") == FORMATTED
    assert mlgit("fmt", "--check", cwd=folder).code == 0


def test_check_lists_the_files_that_would_change_and_writes_nothing(folder, mlgit):
    ended = mlgit("fmt", "--check", cwd=folder)
    assert (ended.code, ended.out) == (1, "would change data/a.yml\n1 file: 1 would change.\n")
    assert (folder / "data/a.yml").read_text("utf-8") == UNFORMATTED


def test_diff_prints_the_changes_and_writes_nothing(folder, mlgit):
    ended = mlgit("fmt", "--diff", cwd=folder)
    assert ended.code == 0
    assert "--- a/data/a.yml\n+++ b/data/a.yml\n" in ended.out
    assert "\n-name: numbers\n" in ended.out
    assert (folder / "data/a.yml").read_text("utf-8") == UNFORMATTED


def test_files_that_are_not_assets_are_skipped(folder, mlgit):
    others = {
        ".github/workflows/ci.yml": "on: push\nname: ci\n",
        "chart/values.yaml": "b: 1\na: 2\n",
        "chart/templates/x.yaml": "{{- if .Values.x }}\nname: {{ .Release.Name }}\n{{- end }}\n",
        "environments/conda.yml": "dependencies: [pip]\nname: x\n",
        "notes.yml": "",
    }
    write(folder, others)
    assert mlgit("fmt", cwd=folder).out == "1 file: 1 changed.\n"
    assert {name: (folder / name).read_text("utf-8") for name in others} == others


def test_ignored_and_excluded_files_are_skipped_unless_named(folder, mlgit):
    write(folder, {"old/a.yml": UNFORMATTED, "out/a.yml": UNFORMATTED, ".gitignore": "/out/\n"})
    write(folder, {"mlgit.yml": SMALL["mlgit.yml"] + "assets: {exclude: [old/]}\n"})
    assert mlgit("fmt", cwd=folder).out == "1 file: 1 changed.\n"
    assert (folder / "old/a.yml").read_text("utf-8") == UNFORMATTED
    assert (folder / "out/a.yml").read_text("utf-8") == UNFORMATTED
    assert mlgit("fmt", "out/a.yml", cwd=folder).out == "1 file: 1 changed.\n"  # a named path


def test_without_a_path_the_whole_workspace_is_formatted(folder, mlgit):
    write(folder, {"mlgit.yml": SMALL["mlgit.yml"], "jobs/note.txt": ""})
    assert mlgit("fmt", cwd=folder / "jobs").out == "1 file: 1 changed.\n"


def test_folders_elsewhere_are_formatted_and_printed_as_they_were_given(folder, mlgit):
    write(folder, {"current/.gitignore": "data/\n"})
    assert mlgit("fmt", "--check", "../data", cwd=folder / "current").out.startswith("would change ../data/a.yml\n")
    absolute = str(folder / "data")
    assert mlgit("fmt", "--check", absolute, cwd=folder / "current").out.startswith(f"would change {absolute}/a.yml\n")


def test_other_files_are_formatted_if_one_cannot_be_read(folder, mlgit):
    write(
        folder, {"data/bad.yml": "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: a: b\n"}
    )
    ended = mlgit("fmt", cwd=folder)
    assert ended.code == 1
    assert "data/bad.yml:2:8: error: invalid YAML" in ended.err
    assert "  2 | name: a: b\n    |        ^\n" in ended.err
    assert ended.out == "2 files: 1 changed, 1 problem.\n"
    assert (folder / "data/a.yml").read_text("utf-8") == FORMATTED


def test_a_named_file_is_reported_whatever_it_contains(folder, mlgit):
    (folder / "broken.yml").write_bytes(b"\xff\xfe")
    ended = mlgit("fmt", "broken.yml", cwd=folder)
    assert ended.code == 1
    assert "[not-utf8]" in ended.err


def test_a_file_whose_values_would_change_is_not_written(folder, mlgit):
    text = UNFORMATTED + "description: |\n  no line break"
    (folder / "data/a.yml").write_text(text, "utf-8")
    ended = mlgit("fmt", cwd=folder)
    assert ended.code == 1
    assert "the value of description would change [layout-unsafe]" in ended.err
    assert (folder / "data/a.yml").read_text("utf-8") == text


def test_a_path_that_does_not_exist_is_an_error(folder, mlgit):
    ended = mlgit("fmt", "nowhere", cwd=folder)
    assert ended.code == 1
    assert "[path-unknown]" in ended.err


def test_line_breaks_and_mode_are_kept_and_no_temporary_file_remains(folder, mlgit):
    path = folder / "data/a.yml"
    path.write_bytes(UNFORMATTED.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    mlgit("fmt", cwd=folder)
    assert path.read_bytes() == FORMATTED.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_the_target_of_a_link_is_formatted_and_the_link_is_kept(folder, mlgit):
    (folder / "real.yml").write_text(UNFORMATTED, "utf-8")
    (folder / "data/a.yml").unlink()
    (folder / "data/a.yml").symlink_to("../real.yml")
    mlgit("fmt", "data", cwd=folder)
    assert (folder / "data/a.yml").is_symlink()
    assert (folder / "real.yml").read_text("utf-8") == FORMATTED


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written_is_reported(folder, mlgit):
    (folder / "data").chmod(0o500)
    ended = mlgit("fmt", cwd=folder)
    (folder / "data").chmod(0o700)
    assert ended.code == 1
    assert "[path-not-writable]" in ended.err


def test_a_folder_without_assets_is_reported(tmp_path, mlgit):
    assert mlgit("fmt", cwd=tmp_path).out == "There are no asset files here.\n"


def test_json_lists_the_files_that_would_change_with_their_diffs(tmp_path, mlgit):
    (tmp_path / "a.yml").write_text("path: a.csv\nname: a\n$schema: azureml/data.schema.json\n", "utf-8")
    ended = mlgit("fmt", "--check", "--diff", "--format", "json", "a.yml", cwd=tmp_path)
    summary = json.loads(ended.out)
    assert (ended.code, ended.err, summary["files"], summary["diagnostics"]) == (1, "", 1, [])
    (changed,) = summary["changed"]
    assert changed["path"] == "a.yml"
    assert "-name: a" in changed["diff"]
    assert json.loads(mlgit("fmt", "--format", "json", "a.yml", cwd=tmp_path).out)["changed"] == [{"path": "a.yml"}]
    assert json.loads(mlgit("fmt", "--format", "json", "a.yml", cwd=tmp_path).out)["changed"] == []
