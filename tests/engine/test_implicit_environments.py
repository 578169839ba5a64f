"""Environments that no file declares: written in the job, named in a registry, or replaced by mlgit.yml."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git, put, write

pytestmark = pytest.mark.slow

ADDRESS = "environment/azureml/Minimal"
REF = "refs/mlgit/small/default/live"
PYTHON = "python3 -c 'import os; print(os.environ.get(\"GREETING\"))'"
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: {command}
    environment: {environment}
    """
INLINE = "{image: python, conda_file: {dependencies: ['python>=3.11'], variables: {GREETING: inline}}}"
CURATED = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
PINNED = {
    "version": "0",
    "spec": {"image": "python", "conda_file": {"dependencies": ["python>=3.11"], "variables": {"GREETING": "pinned"}}},
}


def job(environment: str) -> str:
    return JOB.format(command=PYTHON, environment=environment)


def state_files(folder, prefix):
    return [name for name in git(folder, "ls-tree", "-r", "--name-only", REF).splitlines() if name.startswith(prefix)]


def test_a_job_runs_in_the_environment_that_it_writes_itself_which_is_never_registered(small, mlgit):
    commit(small, "job", {"jobs/own.yml": job(INLINE)})
    planned = mlgit("plan", cwd=small).out
    assert "build with venv, declared inline in jobs/own.yml" in planned
    applied = mlgit(*APPLY, cwd=small)
    assert (applied.code, applied.err) == (0, "")
    assert mlgit("job", "logs", "jobs/own", cwd=small).out == "inline\n"
    assert "anonymous" not in mlgit("list", "--all", cwd=small).out
    assert "No changes" in mlgit("plan", cwd=small).out


def test_jobs_with_the_same_environment_share_one_build(small, mlgit):
    commit(small, "jobs", {f"jobs/{name}.yml": job(INLINE) for name in "abc"})
    assert mlgit("plan", cwd=small).out.count("environment/anonymous-") == 1
    assert mlgit(*APPLY, cwd=small).code == 0
    before = state_files(small, "builds/")
    commit(small, "another", {"jobs/d.yml": job(INLINE)})
    planned = mlgit("plan", cwd=small).out
    assert "anonymous" not in planned
    assert "first run of job/jobs/d" in planned
    assert mlgit(*APPLY, cwd=small).code == 0
    assert state_files(small, "builds/") == before


@pytest.mark.parametrize(
    ("environment", "files"),
    [
        ("{image: python, conda_file: conda.yml}", {}),
        (
            "file:../environments/of-jobs.yml",
            {"environments/of-jobs.yml": "name: of-jobs\nimage: python\nconda_file: ../jobs/conda.yml\n"},
        ),
    ],
)
def test_a_change_of_the_conda_file_that_an_environment_in_a_job_names_is_a_new_run(small, mlgit, environment, files):
    conda = "dependencies: ['python>=3.11']\nvariables: {GREETING: first}\n"
    exclude = "assets: {exclude: [jobs/conda.yml, environments/of-jobs.yml]}\nstore:"
    edit(small, "mlgit.yml", "store:", exclude)
    commit(small, "job", {"jobs/own.yml": job(environment), "jobs/conda.yml": conda, **files})
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("job", "logs", "jobs/own", cwd=small).out == "first\n"
    commit(small, "other", {"jobs/conda.yml": conda.replace("first", "second")})
    assert "new run of job/jobs/own on local because environment" in mlgit("plan", cwd=small).out
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("job", "logs", "jobs/own", cwd=small).out == "second\n"


def test_an_error_in_the_conda_file_of_a_job_is_reported_in_that_file(small, mlgit):
    files = {"jobs/conda.yml": "dependencies:\n  - no-such-conda-package-of-mlgit\n"}
    commit(small, "job", {"jobs/own.yml": job("{image: python, conda_file: conda.yml}"), **files})
    assert "jobs/conda.yml:2:5: error: job/jobs/own: the venv builder" in mlgit("validate", cwd=small).out


def test_a_pinned_environment_of_a_registry_is_used_whatever_the_catalogue_has_today(applied, mlgit):
    put(applied, "pins/azureml%2Fsklearn-1%2E5.json", PINNED)
    commit(
        applied, "job", {"jobs/curated.yml": job(CURATED), "jobs/older.yml": job("azureml:AzureML-sklearn-1.5@latest")}
    )
    assert "environment/azureml/sklearn-1.5: build with venv, recipe 0" in mlgit("plan", cwd=applied).out
    assert mlgit(*APPLY, cwd=applied).code == 0
    for name in ("curated", "older"):
        assert mlgit("job", "logs", f"jobs/{name}", cwd=applied).out == "pinned\n"
    shown = json.loads(mlgit("job", "show", "jobs/curated", "--format", "json", cwd=applied).out)
    assert "environment/azureml/sklearn-1.5@0" in json.dumps(shown)


def test_the_first_use_of_an_environment_of_a_registry_pins_its_recipe(small, mlgit):
    commit(small, "job", {"jobs/curated.yml": job(CURATED.replace("sklearn-1.5", "Minimal"))})
    assert mlgit(*APPLY, cwd=small).code == 0
    (path,) = state_files(small, "pins/")
    pin = json.loads(git(small, "show", f"{REF}:{path}"))
    assert pin["version"] == "1"
    assert pin["spec"]["conda_file"]["dependencies"][0].startswith("python")
    assert "No changes" in mlgit("plan", cwd=small).out
    assert mlgit("show", ADDRESS, cwd=small).out.startswith(f"address: {ADDRESS}\nrecipe: 1\npinned: true\n")


def test_a_pin_that_is_forgotten_gives_way_to_the_recipe_of_today(applied, mlgit):
    put(applied, "pins/azureml%2Fsklearn-1%2E5.json", PINNED)
    shown = mlgit("show", "environment/azureml/sklearn-1.5", cwd=applied).out
    assert "newer_recipe: 1" in shown
    assert "`mlgit state rm environment/azureml/sklearn-1.5` lets the next use pin recipe 1" in shown
    assert mlgit("state", "rm", "environment/azureml/sklearn-1.5", cwd=applied).code == 0
    assert state_files(applied, "pins/") == []
    assert "recipe: 1\n" in mlgit("show", "environment/azureml/sklearn-1.5", cwd=applied).out
    assert mlgit("state", "restore", "~1", "--auto-approve", cwd=applied).code == 0
    assert len(state_files(applied, "pins/")) == 1


def test_mlgit_yml_replaces_an_environment_of_a_registry_by_one_of_the_workspace(small, mlgit):
    edit(small, "mlgit.yml", "store:", "environments: {sklearn-1.5: environment/own}\nstore:")
    own = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: own\nimage: python\n"
    conda = "conda_file: {dependencies: ['python>=3.11'], variables: {GREETING: own}}\n"
    commit(small, "job", {"jobs/curated.yml": job(CURATED), "environments/own.yml": own + conda})
    planned = mlgit("plan", cwd=small).out
    assert "environment/own: version 1" in planned
    assert "azureml/sklearn" not in planned
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("job", "logs", "jobs/curated", cwd=small).out == "own\n"
    commit(small, "other", {"environments/own.yml": own + conda.replace("own}", "changed}")})
    assert "new run of job/jobs/curated" in mlgit("plan", cwd=small).out


def test_a_replacement_that_no_file_declares_is_an_error_at_the_job(small, mlgit):
    edit(small, "mlgit.yml", "store:", "environments: {sklearn-1.5: environment/onw}\nstore:")
    write(small, {"jobs/curated.yml": job(CURATED)})
    assert "jobs/curated.yml:3:14: error" in (printed := mlgit("plan", cwd=small).err)
    assert "refers to environment/onw, which is not declared" in printed
