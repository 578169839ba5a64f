"""mlgit run outside of a workspace: in a Git repository without mlgit.yml, and in a folder that is in none."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from workspaces import commit, git, write

_FILES = {
    "jobs/hello.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        command: python hello.py > ${{outputs.greeting}}/hi.txt && cat ${{outputs.greeting}}/hi.txt
        code: src
        environment: azureml:plain@latest
        compute: azureml:cpu-cluster
        outputs:
          greeting: {type: uri_folder}
        """,
    "jobs/plain.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
        name: plain
        image: python:3.11
        conda_file: {dependencies: ["python>=3.11"]}
        """,
    "jobs/src/hello.py": 'print("hello from code")\n',
    "other.bin": "of no use\n",
}


@pytest.fixture(params=["repository", "folder"])
def outside(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a job file and no mlgit.yml: a Git repository, or in none."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "outside"
    write(folder, _FILES)
    if request.param == "repository":
        git(folder, "init", "--quiet")
        commit(folder)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def runs(mlgit, folder: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(mlgit("job", "list", "--format", "json", cwd=folder).out)
    return listed


def test_a_job_file_outside_of_a_workspace_runs_and_leaves_the_work_tree_as_it_is(outside, mlgit):
    before = files_of(outside)
    ended = mlgit("run", "jobs/hello.yml", cwd=outside)
    assert ended.code == 0, ended.err
    assert "hello from code" in ended.out
    assert ended.err.count("\n") == 1  # where the run is kept
    assert "its runs are kept in" in ended.err
    assert files_of(outside) == before


def test_the_commands_on_runs_find_it_in_the_folder_and_below(outside, mlgit, mlgit_process):
    assert mlgit("run", "jobs/hello.yml", cwd=outside).code == 0
    (run,) = runs(mlgit, outside)
    for folder in (outside, outside / "jobs"):
        assert [item["run"] for item in runs(mlgit, folder)] == [run["run"]]
        assert mlgit("job", "show", "hello", cwd=folder).out.startswith(f"run: {run['run']}")
        assert mlgit("job", "metrics", str(run["run"]), cwd=folder).code == 0
        assert mlgit("job", "wait", "hello", cwd=folder).code == 0
        process = mlgit_process("job", "logs", "hello", cwd=folder)
        assert process.communicate()[0] == "hello from code\n"
    assert "nothing is run" in mlgit("run", "hello.yml", cwd=outside / "jobs").out


def test_the_stored_commit_has_only_what_the_run_reads(outside, mlgit):
    (outside / "jobs/src/hello.py").write_text('print("changed")\n', "utf-8")
    assert mlgit("run", "jobs/hello.yml", cwd=outside).code == 0
    (run,) = runs(mlgit, outside)
    (common,) = [outside / ".git"] if (outside / ".git").exists() else implicit_git_folders(outside)
    listed = subprocess.run(
        ["git", f"--git-dir={common}", "ls-tree", "-r", "--name-only", str(run["commit"])],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert listed.split() == ["jobs/hello.yml", "jobs/plain.yml", "jobs/src/hello.py"]


def implicit_git_folders(folder: Path) -> list[Path]:
    """Return the Git directories in mlgit's cache folder whose work tree is a folder."""
    folders = Path(os.environ["MLGIT_CACHE_DIR"], "folders").glob("*")
    return [path for path in folders if f"worktree = {folder}\n" in (path / "config").read_text("utf-8")]


@pytest.mark.parametrize("command", [("plan",), ("apply",), ("status",), ("validate",)])
def test_other_commands_need_a_workspace_as_before(outside, mlgit, command):
    before = mlgit(*command, cwd=outside)
    assert mlgit("run", "jobs/hello.yml", cwd=outside).code == 0
    assert mlgit(*command, cwd=outside) == before


def test_without_a_run_the_commands_on_runs_say_that_there_is_no_workspace(outside, mlgit):
    ended = mlgit("job", "list", cwd=outside)
    assert ended.code == 1
    assert "[not-a-workspace]" in ended.err or "[not-a-git-repository]" in ended.err


def test_a_refused_file_is_named_with_its_line(outside, mlgit):
    write(outside, {"jobs/hello.yml": _FILES["jobs/hello.yml"].replace("plain@", "plian@")})
    ended = mlgit("run", "jobs/hello.yml", cwd=outside)
    assert ended.code == 1
    assert "jobs/hello.yml:4:14: error: " in ended.err
    assert "did you mean plain?" in ended.err


def test_a_name_that_no_job_has_is_named_as_such(outside, mlgit):
    assert mlgit("run", "jobs/hello.yml", cwd=outside).code == 0
    ended = mlgit("job", "logs", "helo", cwd=outside)
    assert ended.code == 1
    assert ended.err == "error: there is no job or run helo [job-unknown]\n  help: did you mean hello?\n"


def test_a_job_is_found_by_its_file(outside, mlgit):
    assert mlgit("run", "jobs/hello.yml", cwd=outside).code == 0
    assert mlgit("job", "show", "jobs/hello.yml", cwd=outside).code == 0
