"""mlgit fmt on real files: what it touches, what it leaves alone, and what it says of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from workspaces import SMALL, write

DISORDERED = "path: numbers.csv\nname: numbers\n$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
ORDERED = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: numbers\npath: numbers.csv\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with one file in disorder; no Git, no workspace."""
    write(tmp_path, {"data/a.yml": DISORDERED})
    return tmp_path


def test_files_are_formatted_without_git(folder, mlgit):
    ended = mlgit("fmt", cwd=folder)
    assert (ended.code, ended.out) == (0, "1 file: 1 changed.\n")
    assert (folder / "data/a.yml").read_text("utf-8") == ORDERED
    assert mlgit("fmt", "--check", cwd=folder).code == 0


def test_check_lists_what_would_change_and_writes_nothing(folder, mlgit):
    ended = mlgit("fmt", "--check", cwd=folder)
    assert (ended.code, ended.out) == (1, "would change data/a.yml\n1 file: 1 would change.\n")
    assert (folder / "data/a.yml").read_text("utf-8") == DISORDERED


def test_diff_shows_what_would_change_and_writes_nothing(folder, mlgit):
    ended = mlgit("fmt", "--diff", cwd=folder)
    assert ended.code == 0
    assert "--- a/data/a.yml\n+++ b/data/a.yml\n" in ended.out
    assert "\n-name: numbers\n" in ended.out
    assert (folder / "data/a.yml").read_text("utf-8") == DISORDERED


def test_files_that_are_no_assets_are_left_alone(folder, mlgit):
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


def test_what_git_or_the_workspace_leaves_out_is_left_alone(folder, mlgit):
    write(folder, {"old/a.yml": DISORDERED, "out/a.yml": DISORDERED, ".gitignore": "/out/\n"})
    write(folder, {"mlgit.yml": SMALL["mlgit.yml"] + "assets: {exclude: [old/]}\n"})
    assert mlgit("fmt", cwd=folder).out == "1 file: 1 changed.\n"
    assert (folder / "old/a.yml").read_text("utf-8") == DISORDERED
    assert (folder / "out/a.yml").read_text("utf-8") == DISORDERED
    assert mlgit("fmt", "out/a.yml", cwd=folder).out == "1 file: 1 changed.\n"  # asked for by name


def test_without_a_path_the_whole_workspace_is_formatted(folder, mlgit):
    write(folder, {"mlgit.yml": SMALL["mlgit.yml"], "jobs/note.txt": ""})
    assert mlgit("fmt", cwd=folder / "jobs").out == "1 file: 1 changed.\n"


def test_folders_elsewhere_are_formatted_and_shown_as_they_were_named(folder, mlgit):
    write(folder, {"here/.gitignore": "data/\n"})
    assert mlgit("fmt", "--check", "../data", cwd=folder / "here").out.startswith("would change ../data/a.yml\n")
    absolute = str(folder / "data")
    assert mlgit("fmt", "--check", absolute, cwd=folder / "here").out.startswith(f"would change {absolute}/a.yml\n")


def test_one_unreadable_file_does_not_keep_the_others_from_being_formatted(folder, mlgit):
    write(
        folder, {"data/bad.yml": "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: a: b\n"}
    )
    ended = mlgit("fmt", cwd=folder)
    assert ended.code == 1
    assert "data/bad.yml:2:8: error: invalid YAML" in ended.err
    assert "  2 | name: a: b\n    |        ^\n" in ended.err
    assert ended.out == "2 files: 1 changed, 1 problem.\n"
    assert (folder / "data/a.yml").read_text("utf-8") == ORDERED


def test_a_file_named_is_reported_whatever_it_holds(folder, mlgit):
    (folder / "broken.yml").write_bytes(b"\xff\xfe")
    ended = mlgit("fmt", "broken.yml", cwd=folder)
    assert ended.code == 1
    assert "[not-utf8]" in ended.err


def test_a_file_that_would_say_something_else_is_left_alone(folder, mlgit):
    text = DISORDERED + "description: |\n  no line break"
    (folder / "data/a.yml").write_text(text, "utf-8")
    ended = mlgit("fmt", cwd=folder)
    assert ended.code == 1
    assert "the value of description would change [layout-unsafe]" in ended.err
    assert (folder / "data/a.yml").read_text("utf-8") == text


def test_a_path_that_is_not_there_is_an_error(folder, mlgit):
    ended = mlgit("fmt", "nowhere", cwd=folder)
    assert ended.code == 1
    assert "[path-unknown]" in ended.err


def test_line_breaks_and_mode_stay_and_nothing_else_is_left_behind(folder, mlgit):
    path = folder / "data/a.yml"
    path.write_bytes(DISORDERED.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    mlgit("fmt", cwd=folder)
    assert path.read_bytes() == ORDERED.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link(folder, mlgit):
    (folder / "real.yml").write_text(DISORDERED, "utf-8")
    (folder / "data/a.yml").unlink()
    (folder / "data/a.yml").symlink_to("../real.yml")
    mlgit("fmt", "data", cwd=folder)
    assert (folder / "data/a.yml").is_symlink()
    assert (folder / "real.yml").read_text("utf-8") == ORDERED


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written_is_reported(folder, mlgit):
    (folder / "data").chmod(0o500)
    ended = mlgit("fmt", cwd=folder)
    (folder / "data").chmod(0o700)
    assert ended.code == 1
    assert "[path-not-writable]" in ended.err


def test_a_folder_without_assets_says_so(tmp_path, mlgit):
    assert mlgit("fmt", cwd=tmp_path).out == "There are no asset files here.\n"


def test_programs_are_told_what_would_change_as_json(tmp_path, mlgit):
    (tmp_path / "a.yml").write_text("path: a.csv\nname: a\n$schema: azureml/data.schema.json\n", "utf-8")
    ended = mlgit("fmt", "--check", "--diff", "--format", "json", "a.yml", cwd=tmp_path)
    told = json.loads(ended.out)
    assert (ended.code, ended.err, told["files"], told["diagnostics"]) == (1, "", 1, [])
    (changed,) = told["changed"]
    assert changed["path"] == "a.yml"
    assert "-name: a" in changed["diff"]
    assert json.loads(mlgit("fmt", "--format", "json", "a.yml", cwd=tmp_path).out)["changed"] == [{"path": "a.yml"}]
    assert json.loads(mlgit("fmt", "--format", "json", "a.yml", cwd=tmp_path).out)["changed"] == []
