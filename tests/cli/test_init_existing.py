"""mlgit init --here: a repository with Azure ML YAML becomes a workspace; its files are not changed."""

from __future__ import annotations

import json

import pytest
from workspaces import SMALL, commit, git, write

from reconciler.config.config import parse_config
from reconciler.format.yaml import parse_yaml


@pytest.fixture
def existing(empty):
    """Make a typical repository: assets, samples with the same name, files that are no assets, an invalid file."""
    files = {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}}
    data = SMALL["data/numbers.yml"]
    unknown_kind = "$schema: https://azuremlschemas.azureedge.net/latest/oracle.schema.json\nname: delphi\n"
    commit(
        empty,
        "start",
        {
            **files,
            "samples/a/numbers.yml": data.replace("numbers.csv", "../../data/numbers.csv"),
            "samples/b/numbers.yaml": data.replace("numbers.csv", "../../data/numbers.csv"),
            "jobs/other.yml": SMALL["jobs/sum.yml"]
            .replace("name: sum", "name: other")
            .replace(": local", ": azureml:gpu"),
            "jobs/wrong.yml": SMALL["jobs/sum.yml"].replace("name: sum", "name: wrong\ncomand: x"),
            "oracle.yml": unknown_kind,
            "docker-compose.yml": "services: {db: {image: postgres}}\n",
        },
    )
    return empty


def test_init_prints_an_inventory_and_changes_no_file(existing, mlgit, golden):
    before = git(existing, "ls-files", "--stage")
    ended = mlgit("init", "--here", "--name", "adopted", cwd=existing)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/init-here.txt", ended.out)
    assert git(existing, "ls-files", "--stage") == before
    assert git(existing, "diff", "--stat") == ""
    assert git(existing, "for-each-ref", "refs/mlgit") == ""


def test_a_plan_after_init_reports_what_prevents_it(existing, mlgit):
    assert mlgit("init", "--here", cwd=existing).code == 0
    ended = mlgit("plan", cwd=existing)
    assert ended.code == 1
    assert "[declared-twice]" in ended.err
    assert "Traceback" not in ended.err


def test_jobs_of_an_existing_repository_run_only_on_request(empty, mlgit):
    commit(empty, "start", {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}})
    assert "The files have no errors or warnings." in mlgit("init", "--here", cwd=empty).out
    ended = mlgit("plan", cwd=empty)
    assert ended.code == 0
    assert "starts" not in ended.out
    assert "1 job is run by hand: `mlgit job rerun sum`\n" in ended.out
    assert all(not glob.runs_on_change for glob in config(empty).include)


def config(folder):
    parsed, diagnostics = parse_config(parse_yaml("mlgit.yml", (folder / "mlgit.yml").read_bytes())[0])
    assert diagnostics == ()
    return parsed


def test_each_init_creates_another_lineage(existing, mlgit):
    lineages = set()
    for _ in range(2):
        assert mlgit("init", "--here", cwd=existing).code == 0
        lineages.add(config(existing).lineage)
        (existing / "mlgit.yml").unlink()
    assert len(lineages) == 2


def test_existing_settings_are_kept(existing, mlgit):
    own = {
        ".github/workflows/mlgit.yml": "on: push\n",
        ".gitignore": "*.log",
        ".vscode/settings.json": '{"a": 1} // mine\n',
    }
    for name, text in own.items():
        (existing / name).parent.mkdir(parents=True, exist_ok=True)
        (existing / name).write_text(text)
    ended = mlgit("init", "--here", cwd=existing)
    assert ended.code == 0
    assert (existing / ".github/workflows/mlgit.yml").read_text() == own[".github/workflows/mlgit.yml"]
    assert (existing / ".vscode/settings.json").read_text() == own[".vscode/settings.json"]
    assert (existing / ".gitignore").read_text() == "*.log\n/.mlgit/\n"
    assert "kept .github/workflows/mlgit.yml: it exists already" in ended.out
    assert "kept .vscode/settings.json: it exists already" in ended.out


def test_a_workspace_cannot_be_initialised_again(small, mlgit):
    before = (small / "mlgit.yml").read_text()
    ended = mlgit("init", "--here", cwd=small)
    assert (ended.code, ended.out) == (1, "")
    assert "mlgit.yml already exists" in ended.err
    assert "[workspace-there]" in ended.err
    assert (small / "mlgit.yml").read_text() == before
    assert git(small, "status", "--porcelain") == ""


def test_a_folder_inside_a_repository_gets_no_workflow(existing, mlgit):
    ended = mlgit("init", "--here", "--name", "only-samples", cwd=existing / "samples/a")
    assert ended.code == 0
    assert not (existing / "samples/a/.github").exists()
    assert "skipped .github/workflows/:" in ended.out
    assert "Found 1 asset file:" in ended.out
    assert mlgit("plan", cwd=existing / "samples/a").code == 0


def test_outside_a_git_repository_nothing_is_written(tmp_path, mlgit):
    write(tmp_path, {"data.yml": SMALL["data/numbers.yml"]})
    ended = mlgit("init", "--here", cwd=tmp_path)
    assert ended.code == 1
    assert "[not-a-git-repository]" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.yml"]


@pytest.mark.parametrize("arguments", [["--here", "folder"], []])
def test_init_takes_either_a_folder_or_here(arguments, tmp_path, mlgit):
    ended = mlgit("init", *arguments, cwd=tmp_path)
    assert ended.code == 1
    assert "adopt the one you are in with --here" in ended.err


def test_the_editor_knows_the_schemas(existing, mlgit):
    assert mlgit("init", "--here", cwd=existing).code == 0
    settings = json.loads((existing / ".vscode/settings.json").read_text())
    assert all((existing / name).is_file() for name in settings["yaml.schemas"])


COMPUTES = {"gpu": 3, "big cluster": 1}


@pytest.fixture
def with_computes(empty):
    """Make a repository whose jobs run on computes without files."""
    files = {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}}
    for compute, count in COMPUTES.items():
        for number in range(count):
            name = f"{compute[0]}{number}"
            text = SMALL["jobs/sum.yml"].replace("name: sum", f"name: {name}")
            files[f"jobs/{name}.yml"] = text.replace("compute: local", f'compute: "azureml:{compute}"')
    commit(empty, "start", files)
    return empty


def test_computes_that_have_no_file_need_none_and_are_listed(with_computes, mlgit):
    ended = mlgit("init", "--here", cwd=with_computes)
    assert (ended.code, ended.err) == (0, "")
    assert "2 computes without a file. None is needed" in ended.out
    assert "  compute/gpu: in 3 files\n  compute/big cluster: in 1 file\n" in ended.out
    assert "referenced name" not in ended.out
    assert not (with_computes / "compute").exists()
    plan = mlgit("plan", cwd=with_computes)
    assert plan.code == 0
    assert plan.err.count("[reference-dangling]") == len(COMPUTES)


def test_init_writes_files_for_computes_if_it_is_asked_to(with_computes, mlgit):
    write(with_computes, {"compute/big-cluster.yml": "a: b\n"})
    ended = mlgit("init", "--here", "--write-computes", cwd=with_computes)
    assert (ended.code, ended.err) == (0, "")
    assert "  wrote compute/gpu.yml\n" in ended.out
    assert "  kept compute/big-cluster.yml: it exists already\n" in ended.out
    assert "compute/gpu: in" not in ended.out
    assert (with_computes / "compute/big-cluster.yml").read_text("utf-8") == "a: b\n"
    assert mlgit("validate", "compute/gpu.yml", "jobs/g0.yml", cwd=with_computes).out == "2 files: fine.\n"
    assert "+ compute/gpu: create, bound to backend local" in mlgit("plan", cwd=with_computes).out


def test_only_a_repository_that_is_there_gets_files_for_computes(tmp_path, mlgit):
    ended = mlgit("init", "new", "--write-computes", cwd=tmp_path)
    assert (ended.code, "--write-computes belongs to --here" in ended.err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_init_names_the_nearest_of_each_python_that_the_machine_lacks(empty, mlgit):
    job = SMALL["jobs/sum.yml"].replace(
        "environment: azureml:plain@latest", "environment: {image: python, conda_file: old.yml}"
    )
    files = {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}}
    environment = SMALL["environments/plain.yml"].replace("python>=3.11", "python=3.98.1")
    old = {"jobs/sum.yml": job, "jobs/old.yml": "dependencies: [python=3.99]\n"}
    commit(empty, "start", {**files, **old, "environments/plain.yml": environment})
    out = mlgit("init", "--here", cwd=empty).out
    config, _ = parse_config(parse_yaml("mlgit.yml", (empty / "mlgit.yml").read_bytes())[0])
    pythons = config.builders["venv"]["pythons"]
    assert list(pythons) == ["3.98", "3.99"]
    for series, nearest in pythons.items():
        assert f"Python {series}, which files ask for, is not on this machine: mlgit.yml says to use {nearest}" in out
    assert "cannot" not in out
    assert "python-not-found" not in mlgit("validate", cwd=empty).out
