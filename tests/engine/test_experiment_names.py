"""The experiment of a run: what the job names, or the folder of its file."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, SMALL, commit, git

LIVE = "refs/mlgit/small/default/live"
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: echo $AZUREML_EXPERIMENT_NAME $MLFLOW_EXPERIMENT_NAME $AZUREML_ARM_WORKSPACE_NAME
    environment: azureml:plain@latest
    compute: local
    """
NAMED = {
    "named": ("jobs/named.yml", "irises"),
    "folder": ("jobs/iris/folder.yml", "iris"),
    "top": ("top.yml", "Default"),
}


@pytest.mark.slow
def test_a_run_has_the_experiment_of_its_job_or_the_name_of_its_folder(small, mlgit):
    files = {path: JOB.format(name=name) for name, (path, _) in NAMED.items()}
    files["jobs/named.yml"] = files["jobs/named.yml"].rstrip() + "\n    experiment_name: irises\n"
    commit(small, "jobs", files)
    assert mlgit(*APPLY, cwd=small).code == 0
    for name, (_, experiment) in NAMED.items():
        assert mlgit("job", "logs", name, cwd=small).out == f"{experiment} {experiment} small\n"
        run = json.loads(mlgit("job", "show", name, "--format", "json", cwd=small).out)["run"]
        (path,) = (
            path for path in git(small, "ls-tree", "-r", "--name-only", LIVE).splitlines() if f"{run}.json" in path
        )
        assert json.loads(git(small, "show", f"{LIVE}:{path}"))["realised"]["experiment_name"] == experiment


@pytest.mark.slow
def test_another_experiment_name_starts_no_run(small, mlgit):
    mlgit(*APPLY, cwd=small)
    commit(small, "a name", {"jobs/sum.yml": SMALL["jobs/sum.yml"].rstrip(" ") + "        experiment_name: other\n"})
    assert "1 change" in mlgit("plan", cwd=small).out
    assert "starts" not in mlgit("plan", cwd=small).out
