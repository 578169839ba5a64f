"""mlgit init --here: a repository with Azure ML YAML becomes a workspace, and stays what it was."""

from __future__ import annotations

import json

import pytest
from workspaces import SMALL, commit, git, write

from reconciler.config.config import parse_config
from reconciler.format.yaml import parse_yaml


@pytest.fixture
def theirs(empty):
    """Make a repository as others have it: assets, samples of the same name, things that are none, a mistake."""
    files = {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}}
    data = SMALL["data/numbers.yml"]
    strange = "$schema: https://azuremlschemas.azureedge.net/latest/oracle.schema.json\nname: delphi\n"
    commit(
        empty,
        "theirs",
        {
            **files,
            "samples/a/numbers.yml": data.replace("numbers.csv", "../../data/numbers.csv"),
            "samples/b/numbers.yaml": data.replace("numbers.csv", "../../data/numbers.csv"),
            "jobs/other.yml": SMALL["jobs/sum.yml"]
            .replace("name: sum", "name: other")
            .replace(": local", ": azureml:gpu"),
            "jobs/wrong.yml": SMALL["jobs/sum.yml"].replace("name: sum", "name: wrong\ncomand: x"),
            "oracle.yml": strange,
            "docker-compose.yml": "services: {db: {image: postgres}}\n",
        },
    )
    return empty


def test_what_is_found_is_said_and_nothing_is_moved_or_started(theirs, mlgit, golden):
    before = git(theirs, "ls-files", "--stage")
    ended = mlgit("init", "--here", "--name", "adopted", cwd=theirs)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/init-here.txt", ended.out)
    assert git(theirs, "ls-files", "--stage") == before
    assert git(theirs, "diff", "--stat") == ""
    assert git(theirs, "for-each-ref", "refs/mlgit") == ""


def test_a_plan_that_follows_says_what_is_in_the_way(theirs, mlgit):
    assert mlgit("init", "--here", cwd=theirs).code == 0
    ended = mlgit("plan", cwd=theirs)
    assert ended.code == 1
    assert "[declared-twice]" in ended.err
    assert "Traceback" not in ended.err


def test_jobs_of_an_adopted_repository_are_run_by_hand(empty, mlgit):
    commit(empty, "theirs", {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}})
    assert "Nothing is wrong in the files." in mlgit("init", "--here", cwd=empty).out
    ended = mlgit("plan", cwd=empty)
    assert ended.code == 0
    assert "starts" not in ended.out
    assert "job/sum: is run by hand: mlgit job rerun sum" in ended.out
    assert all(not glob.runs_on_change for glob in config(empty).include)


def config(folder):
    found, problems = parse_config(parse_yaml("mlgit.yml", (folder / "mlgit.yml").read_bytes())[0])
    assert problems == ()
    return found


def test_a_lineage_is_made_anew_each_time(theirs, mlgit):
    lineages = set()
    for _ in range(2):
        assert mlgit("init", "--here", cwd=theirs).code == 0
        lineages.add(config(theirs).lineage)
        (theirs / "mlgit.yml").unlink()
    assert len(lineages) == 2


def test_files_that_are_there_are_left_as_they_are(theirs, mlgit):
    own = {
        ".github/workflows/mlgit.yml": "on: push\n",
        ".gitignore": "*.log",
        ".vscode/settings.json": '{"a": 1} // mine\n',
    }
    for name, text in own.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_text(text)
    ended = mlgit("init", "--here", cwd=theirs)
    assert ended.code == 0
    assert (theirs / ".github/workflows/mlgit.yml").read_text() == own[".github/workflows/mlgit.yml"]
    assert (theirs / ".vscode/settings.json").read_text() == own[".vscode/settings.json"]
    assert (theirs / ".gitignore").read_text() == "*.log\n/.mlgit/\n"
    assert "left .github/workflows/mlgit.yml, which was there already" in ended.out
    assert "left .vscode/settings.json, which was there already" in ended.out


def test_a_workspace_is_not_adopted_again(small, mlgit):
    before = (small / "mlgit.yml").read_text()
    ended = mlgit("init", "--here", cwd=small)
    assert (ended.code, ended.out) == (1, "")
    assert "mlgit.yml is there already" in ended.err
    assert "[workspace-there]" in ended.err
    assert (small / "mlgit.yml").read_text() == before
    assert git(small, "status", "--porcelain") == ""


def test_a_folder_inside_a_repository_gets_no_workflow_that_would_not_count(theirs, mlgit):
    ended = mlgit("init", "--here", "--name", "only-samples", cwd=theirs / "samples/a")
    assert ended.code == 0
    assert not (theirs / "samples/a/.github").exists()
    assert "wrote no .github/workflows/mlgit.yml" in ended.out
    assert "Found 1 asset file:" in ended.out
    assert mlgit("plan", cwd=theirs / "samples/a").code == 0


def test_outside_of_git_nothing_is_written(tmp_path, mlgit):
    write(tmp_path, {"data.yml": SMALL["data/numbers.yml"]})
    ended = mlgit("init", "--here", cwd=tmp_path)
    assert ended.code == 1
    assert "[not-a-git-repository]" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.yml"]


@pytest.mark.parametrize("arguments", [["--here", "folder"], []])
def test_either_a_folder_is_named_or_the_one_that_one_is_in(arguments, tmp_path, mlgit):
    ended = mlgit("init", *arguments, cwd=tmp_path)
    assert ended.code == 1
    assert "adopt the one you are in with --here" in ended.err


def test_the_editor_knows_the_schemas(theirs, mlgit):
    assert mlgit("init", "--here", cwd=theirs).code == 0
    settings = json.loads((theirs / ".vscode/settings.json").read_text())
    assert all((theirs / name).is_file() for name in settings["yaml.schemas"])
