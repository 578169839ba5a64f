"""mlgit run: one job file as it lies in the work tree, as a person sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from workspaces import commit, edit, git, write

_HELLO = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: >-
      echo hello ${{inputs.who}} && echo hi > ${{outputs.greeting}}/hi.txt
    environment: azureml:plain@latest
    inputs:
      who: world
    outputs:
      greeting: {type: uri_folder}
"""
_REF = "refs/mlgit/small/default/live"


@pytest.fixture
def hello(small: Path) -> Path:
    """Return a workspace with a job file that is not committed."""
    write(small, {"jobs/hello.yml": _HELLO, ".gitignore": ".mlgit/\nignored.yml\ngo\n"})
    return small


def without_durations(text: str) -> str:
    return re.sub(r"after \d+\.\d s", "after 0.1 s", text)


def state_files(folder: Path) -> list[str]:
    return git(folder, "ls-tree", "-r", "--name-only", _REF).splitlines()


def runs(mlgit, folder: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(mlgit("job", "list", "--format", "json", cwd=folder).out)
    return listed


@pytest.fixture
def built(hello, mlgit) -> None:
    """Build the environment, whose progress differs from machine to machine."""
    assert mlgit("run", "jobs/hello.yml", "--name", "warm-up", cwd=hello).code == 0


@pytest.mark.usefixtures("built")
def test_a_job_file_that_is_not_committed_runs_and_shows_what_it_left(hello, mlgit, golden):
    ended = mlgit("run", "jobs/hello.yml", cwd=hello)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/run/completed.txt", without_durations(ended.out))


@pytest.mark.usefixtures("built")
def test_a_job_that_has_completed_is_shown_and_not_run_twice(hello, mlgit, golden):
    mlgit("run", "jobs/hello.yml", cwd=hello)
    again = mlgit("run", "jobs/hello.yml", cwd=hello)
    assert again.code == 0
    golden("cli/run/again.txt", without_durations(again.out))
    assert mlgit("run", "jobs/hello.yml", "--again", cwd=hello).code == 0
    assert [run["attempt"] for run in runs(mlgit, hello) if run["job"] == "job/jobs/hello"] == [1, 2]


@pytest.mark.usefixtures("built")
def test_a_failed_run_says_why_and_the_next_one_is_another_attempt(hello, mlgit, golden):
    edit(hello, "jobs/hello.yml", "echo hello", "echo no && exit 3; echo hello")
    failed = mlgit("run", "jobs/hello.yml", cwd=hello)
    assert failed.code == 1
    golden("cli/run/failed.txt", without_durations(failed.out))
    second = mlgit("run", "jobs/hello.yml", cwd=hello)
    assert second.code == 1
    assert "this is attempt 2" in second.out


def test_the_values_of_set_are_recorded_and_another_value_is_another_run(hello, mlgit):
    ended = mlgit("run", "jobs/hello.yml", "--set", "inputs.who=moon", cwd=hello)
    assert "hello moon" in ended.out
    assert mlgit("run", "jobs/hello.yml", "--set", "inputs.who=sun", cwd=hello).code == 0
    shown = [
        json.loads(mlgit("job", "show", str(run["run"]), "--format", "json", cwd=hello).out)
        for run in runs(mlgit, hello)
    ]
    assert [run["inputs"]["who"] for run in shown] == ["moon", "sun"]


def test_a_name_is_that_of_the_job(hello, mlgit):
    ended = mlgit("run", "jobs/hello.yml", "--name", "greeter", cwd=hello)
    assert ended.code == 0, ended.err
    assert [run["job"] for run in runs(mlgit, hello)] == ["job/greeter"]
    empty = mlgit("run", "jobs/hello.yml", "--name", " ", cwd=hello)
    assert empty.code == 1
    assert "--name" in empty.err


def test_a_run_registers_nothing_and_moves_nothing_that_is_live(hello, mlgit):
    assert mlgit("run", "jobs/hello.yml", cwd=hello).code == 0
    assert {path.partition("/")[0] for path in state_files(hello)} == {"builds", "experiments", "meta.json"}
    assert "applied" not in json.loads(git(hello, "show", f"{_REF}:meta.json"))
    assert mlgit("list", cwd=hello).out == "No asset is live.\n"


def test_the_stored_commit_has_the_files_that_the_run_reads_and_no_others(hello, mlgit):
    write(hello, {"secret-notes.txt": "private", "data/other.csv": "1"})
    assert mlgit("run", "jobs/hello.yml", cwd=hello).code == 0
    (run,) = runs(mlgit, hello)
    files = git(hello, "ls-tree", "-r", "--name-only", str(run["commit"])).splitlines()
    assert "jobs/hello.yml" in files
    assert "environments/plain.yml" in files
    assert "secret-notes.txt" not in files
    assert "data/other.csv" not in files
    assert str(run["commit"]) in git(
        hello, "for-each-ref", "--format=%(objectname)", "refs/mlgit/small/default/sources/"
    )


def test_errors_in_other_files_do_not_stop_it(hello, mlgit):
    write(
        hello,
        {"jobs/broken.yml": "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ncommand: ["},
    )
    assert mlgit("validate", cwd=hello).code == 1
    assert mlgit("run", "jobs/hello.yml", cwd=hello).code == 0


def test_an_apply_of_the_committed_job_adopts_the_run_and_submits_nothing(hello, mlgit):
    assert (
        mlgit("apply", "--auto-approve", "--wait", "--allow-dirty", "--exclude", "job/jobs/hello", cwd=hello).code == 0
    )
    assert mlgit("run", "jobs/hello.yml", cwd=hello).code == 0
    (run,) = [run for run in runs(mlgit, hello) if run["job"] == "job/jobs/hello"]
    commit(hello)
    planned = mlgit("plan", cwd=hello)
    assert f"= job/jobs/hello: adopt run {run['run']}" in planned.out
    assert mlgit("apply", "--auto-approve", cwd=hello).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=hello).code == 0
    assert not [path for path in state_files(hello) if path.startswith(("experiments/", "unfinished/"))]
    assert [item["run"] for item in runs(mlgit, hello) if item["job"] == "job/jobs/hello"] == [run["run"]]


def test_an_apply_ignores_a_failed_experiment(hello, mlgit):
    edit(hello, "jobs/hello.yml", "echo hello", f"test -e {hello}/go && echo hello")
    assert mlgit("run", "jobs/hello.yml", cwd=hello).code == 1
    (hello / "go").touch()
    commit(hello)
    applied = mlgit("apply", "--auto-approve", "--wait", cwd=hello)
    assert applied.code == 0, applied.out
    attempts = [(run["attempt"], run["status"]) for run in runs(mlgit, hello) if run["job"] == "job/jobs/hello"]
    assert attempts == [(1, "failed"), (2, "completed")]


_COMPONENT = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
    name: c
    version: 1
    type: command
    command: echo
    environment: azureml:plain@latest
"""
_SPARK = """
    $schema: https://azuremlschemas.azureedge.net/latest/sparkJob.schema.json
    type: spark
    code: src
    entry: {file: sum.py}
    conf:
      spark.driver.cores: 1
      spark.driver.memory: 2g
      spark.executor.cores: 1
      spark.executor.memory: 2g
      spark.executor.instances: 1
    resources: {instance_type: standard_e4s_v3, runtime_version: "3.4"}
"""
_OTHER_JOB = "who: {type: uri_folder, path: azureml://jobs/sum/outputs/total}"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("missing.yml", None),
        ("jobs", None),
        ("component.yml", _COMPONENT),
        ("spark.yml", _SPARK),
        ("text.yml", "just: text\n"),
        ("unreadable.yml", "a: [\n"),
        ("ignored.yml", _HELLO),
        ("dangling.yml", _HELLO.replace("plain@", "plian@")),
        ("waiting.yml", _HELLO.replace("who: world", _OTHER_JOB)),
        ("instances.yml", f"{_HELLO}    resources: {{instance_count: 4}}\n"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_happens(hello, mlgit, golden, file, content):
    write(hello, {file: content} if content is not None else {})
    ended = mlgit("run", file, cwd=hello)
    assert ended.code == 1
    golden(f"cli/run/refused-{file.removesuffix('.yml')}.txt", ended.out + ended.err)
    assert git(hello, "for-each-ref", "refs/mlgit/") == ""
