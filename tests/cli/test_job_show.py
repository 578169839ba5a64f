"""mlgit job show: inputs, environment, attempts, outputs with their sizes, experiment and tags of a run."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, until

pytestmark = pytest.mark.slow

INLINE = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: mkdir -p outputs && echo 1 > outputs/a.txt && echo two > ${{outputs.report}}
    environment:
      image: python
      conda_file: {dependencies: ["python>=3.11"]}
    compute: local
    experiment_name: iris
    tags: {team: vision}
    inputs:
      lr: 0.1
      deep: true
      numbers: {type: uri_file, path: azureml:numbers@latest}
    outputs:
      report: {type: uri_file}
    """


def shown(mlgit, folder, job):
    ended = mlgit("job", "show", job, "--format", "json", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_a_run_is_shown_with_all_that_it_used_and_left(applied, mlgit, golden):
    commit(applied, "inline", {"jobs/inline.yml": INLINE})
    assert mlgit(*APPLY, cwd=applied).code == 0
    golden("cli/job-show/inline.txt", mlgit("job", "show", "inline", cwd=applied).out)
    run = shown(mlgit, applied, "inline")
    assert run["inputs"] == {"lr": 0.1, "deep": True, "numbers": "data/numbers@1"}
    assert (run["experiment_name"], run["tags"]) == ("iris", {"team": "vision"})
    assert {name: (output["files"], output["size"]) for name, output in run["outputs"].items()} == {
        "artifacts": (1, 2),
        "report": (1, 4),
    }


def test_an_environment_is_shown_as_it_was_built_whoever_declares_it(applied, mlgit):
    commit(applied, "inline", {"jobs/inline.yml": INLINE})
    assert mlgit(*APPLY, cwd=applied).code == 0
    build = json.loads(mlgit("show", "environment/plain", "--format", "json", cwd=applied).out)["builds"]["venv"]
    declared, inline = (shown(mlgit, applied, job)["environment"] for job in ("sum", "inline"))
    assert declared == {
        "name": "environment/plain@1",
        "python": build["python"],
        "builder": "venv",
        "platform": build["platform"],
        "identity": build["identity"],
    }
    assert inline["name"].startswith("environment/anonymous-")
    assert {**inline, "name": ""} == {**declared, "name": ""}  # the same packages are the same environment


def test_the_attempts_of_a_run_are_listed_and_those_of_another_definition_are_not(small, mlgit):
    commit(small, "fails", {"src/sum.py": "raise SystemExit(3)"})
    assert mlgit(*APPLY, cwd=small).code == 1
    assert "attempts" not in shown(mlgit, small, "sum")
    assert mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=small).code == 1
    run = shown(mlgit, small, "sum")
    assert [(attempt["attempt"], attempt["status"]) for attempt in run["attempts"]] == [(1, "failed"), (2, "failed")]
    assert run["attempts"][1]["run"] == run["run"]
    edit(small, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(small)
    assert mlgit(*APPLY, cwd=small).code == 1
    assert "attempts" not in shown(mlgit, small, "sum")


def test_an_output_of_a_run_whose_end_is_not_recorded_yet_is_kept_by_the_next_apply(applied, mlgit):
    commit(applied, "inline", {"jobs/inline.yml": INLINE})
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0
    assert until(lambda: shown(mlgit, applied, "inline")["status"] == "completed")
    text = mlgit("job", "show", "inline", cwd=applied).out
    assert "  report: 1 file, 4 bytes, not in the store yet: the next `mlgit apply` records the run\n" in text
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "  report: 1 file, 4 bytes\n" in mlgit("job", "show", "inline", cwd=applied).out
