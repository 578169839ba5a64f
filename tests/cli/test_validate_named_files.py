"""A file that is named is checked against the workspace that it is in, as the whole workspace would be."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from workspaces import SMALL, commit, edit, git, write

JOB = "jobs/sum.yml"
DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: uri_file\npath: {}\n"


def diagnostics(mlgit, *paths: str, cwd: Path) -> list[dict]:
    ended = mlgit("validate", "--format", "json", *paths, cwd=cwd)
    assert ended.err == ""
    return json.loads(ended.out)["diagnostics"]


def test_what_the_workspace_declares_is_declared_for_each_of_its_files(small, mlgit):
    for name in (name for name in SMALL if name.endswith(".yml")):
        assert mlgit("validate", name, cwd=small).out == "1 file: fine.\n"
    assert mlgit("validate", "sum.yml", cwd=small / "jobs").out == "1 file: fine.\n"
    assert mlgit("validate", str(small / JOB), cwd=small.parent).out == "1 file: fine.\n"
    assert mlgit("validate", "jobs", "models/total.yml", cwd=small).out == "2 files: fine.\n"


@pytest.mark.parametrize("repository", ["with Git", "without Git"])
def test_files_that_are_new_changed_or_deleted_count_as_they_are_on_disk(repository, small, mlgit):
    if repository == "without Git":
        (small / ".git").rename(small.parent / "git-aside")
    edit(small, JOB, "azureml:numbers@latest", "azureml:others@latest")
    assert "others" in mlgit("validate", JOB, cwd=small).out
    write(small, {"data/others.yml": DATA.format("others", "numbers.csv")})
    for _ in range(2):  # what a file declares is remembered
        assert mlgit("validate", JOB, cwd=small).out == "1 file: fine.\n"
    edit(small, "data/others.yml", "name: others", "name: other")
    assert "did you mean other?" in mlgit("validate", JOB, cwd=small).out
    (small / "data/others.yml").unlink()
    assert "did you mean other?" not in mlgit("validate", JOB, cwd=small).out


def test_what_git_ignores_and_what_mlgit_yml_excludes_declares_nothing(small, mlgit):
    edit(small, JOB, "azureml:numbers@latest", "azureml:others@latest")
    write(small, {"ignored/others.yml": DATA.format("others", "../data/numbers.csv"), ".gitignore": "/ignored/\n"})
    assert "reference-dangling" in mlgit("validate", JOB, cwd=small).out
    write(small, {".gitignore": ""})
    assert mlgit("validate", JOB, cwd=small).out == "1 file: fine.\n"
    config = (small / "mlgit.yml").read_text("utf-8")
    (small / "mlgit.yml").write_text(config + "assets: {exclude: [ignored/]}\n", "utf-8")
    assert "reference-dangling" in mlgit("validate", JOB, cwd=small).out


def test_each_file_belongs_to_the_nearest_workspace(small, mlgit):
    write(small, {f"inner/{name}": text for name, text in SMALL.items()})
    edit(small, "inner/data/numbers.yml", "name: numbers", "name: inner")
    found = diagnostics(mlgit, JOB, f"inner/{JOB}", cwd=small)
    assert [(item["path"], item["code"]) for item in found] == [(f"inner/{JOB}", "reference-dangling")]


def test_the_rules_kinds_and_settings_of_mlgit_yml_count(small, mlgit):
    write(small, {"data/plain.txt.yml": "name: plain\ntype: uri_file\npath: numbers.csv\nowner: me\n"})
    config = (small / "mlgit.yml").read_text("utf-8")
    glob = 'assets: {include: [{glob: "*.yml"}, {glob: data/plain.txt.yml, kind: data}]}\n'
    (small / "mlgit.yml").write_text(config + glob, "utf-8")
    assert [item["code"] for item in diagnostics(mlgit, "data/plain.txt.yml", cwd=small)] == ["unknown-field"]


def test_standard_input_is_checked_in_the_workspace_of_the_current_folder(small, mlgit, monkeypatch):
    text = (small / JOB).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert mlgit("validate", "-", cwd=small / "jobs").out == "1 file: fine.\n"


def test_the_folder_of_the_workspace_means_the_workspace(small, mlgit):
    assert mlgit("validate", ".", cwd=small).out == mlgit("validate", cwd=small).out == "5 files: fine.\n"


def test_mlgit_yml_can_be_named(small, mlgit):
    assert mlgit("validate", "mlgit.yml", cwd=small).out == "1 file: fine.\n"
    edit(small, "mlgit.yml", "store:", "storage:")
    ended = mlgit("validate", "mlgit.yml", cwd=small)
    assert ended.code == 1
    assert "mlgit.yml:2:1: error: unknown field storage" in ended.out


def test_errors_in_other_files_are_not_reported(small, mlgit):
    edit(small, "data/numbers.yml", "uri_file", "uri_fil")
    edit(small, "models/total.yml", "name: total", "name: [")
    assert mlgit("validate", JOB, cwd=small).out == "1 file: fine.\n"
    edit(small, "mlgit.yml", "store:", "storage:")
    assert mlgit("validate", JOB, cwd=small).out == "1 file: fine.\n"


FAULTS = {
    "an environment that the builder cannot make": {
        "environments/plain.yml": ('conda_file: {dependencies: ["python>=3.11"]}', "build: {path: ../src}")
    },
    "a reference to nothing": {JOB: ("azureml:numbers@latest", "azureml:nubmers@latest")},
    "an output that is not there": {"models/total.yml": ("outputs/total", "outputs/totals")},
    "a label that is not there": {JOB: ("azureml:plain@latest", "azureml:plain@best")},
    "a schema error beside a reference to nothing": {JOB: ("compute: local", "compute: azureml:gpu\ncomput: local")},
    "an environment that is not declared": {
        JOB: ("azureml:plain@latest", "azureml://registries/a/environments/b/versions/1")
    },
    "an input that cannot be fetched": {
        "data/numbers.yml": ("path: numbers.csv", "path: wasbs://data@account.blob.core.windows.net/n.csv")
    },
    "a file that is not YAML": {"data/numbers.yml": ("name: numbers", "name: [numbers")},
    "a name in another case": {"data/more.yml": DATA.format("Numbers", "numbers.csv")},
    "an address that two files declare": {"data/more.yml": DATA.format("numbers", "numbers.csv")},
    "a cycle": {JOB: ("azureml:numbers@latest", "azureml://jobs/sum/outputs/total")},
    "an invalid mlgit.yml": {"mlgit.yml": ("store:", "storage:"), JOB: ("azureml:numbers@latest", "azureml:no@latest")},
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_diagnostics_of_a_named_file_are_those_that_the_whole_workspace_has_for_it(name, small, mlgit):
    for file, fault in FAULTS[name].items():
        if isinstance(fault, str):
            write(small, {file: fault})
        else:
            edit(small, file, *fault)
    git(small, "add", "--all")
    whole = diagnostics(mlgit, cwd=small)
    assert whole
    files = [path.relative_to(small).as_posix() for path in small.rglob("*.yml")]
    assert diagnostics(mlgit, *files, cwd=small) == whole
    for file in files:
        places = [place for item in whole for place in (item, *item.get("places", ())) if place["path"] == file]
        alone = diagnostics(mlgit, file, cwd=small)
        assert [(item["path"], item["line"]) for item in alone] == [(place["path"], place["line"]) for place in places]


def test_many_files_are_checked_with_the_cache_as_without(small, mlgit):
    edit(small, JOB, "azureml:numbers@latest", "azureml:nubmers@latest")
    commit(small)
    first = mlgit("validate", JOB, cwd=small)
    assert (small / ".git/mlgit/cache.sqlite").exists()
    second = mlgit("validate", JOB, cwd=small)
    (small / ".git/mlgit/cache.sqlite").unlink()
    assert first == second == mlgit("validate", JOB, cwd=small)


def test_the_renames_of_mlgit_yml_count_all_files(small, mlgit):
    config = (small / "mlgit.yml").read_text("utf-8")
    (small / "mlgit.yml").write_text(config + "moved: [{from: data/old, to: data/numbers}]\n", "utf-8")
    assert mlgit("validate", "mlgit.yml", cwd=small).out == "1 file: fine.\n"
    (small / "mlgit.yml").write_text(config + "moved: [{from: data/numbers, to: data/new}]\n", "utf-8")
    assert "a file still declares data/numbers" in mlgit("validate", "mlgit.yml", cwd=small).out
