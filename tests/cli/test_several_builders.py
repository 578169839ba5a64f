"""With several builders in mlgit.yml, a plan says of each environment what those that build it do otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Mlgit
from workspaces import commit, git

CONFIG = """\
state: {name: several, lineage: "11111111111111111111111111111111"}
builders: {venv: {type: venv}, docker: {type: docker}, conda: {type: conda}}
backends: {local: {type: local}, docker: {type: docker}}
compute: {here: local, box: docker}
store: {path: .mlgit/store}
"""
ENVIRONMENT = """\
name: sk
image: python:3.12
conda_file: {dependencies: ["python>=3.11", {pip: [six]}]}
"""
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python -V
environment: azureml:sk@latest
compute: azureml:%s
"""
TAG = "python:3.12 is a tag, which can move"
NOT_USED = "the venv builder does not use image"


@pytest.fixture
def notes(tmp_path: Path, mlgit: Mlgit) -> Callable[..., str]:
    """Return the notes of a plan of the environment and of a job on each of some computes."""

    def plan(*computes: str, **files: str) -> str:
        git(tmp_path, "init", "--quiet")
        jobs = {f"jobs/{compute}.yml": JOB % compute for compute in computes}
        commit(tmp_path, "start", {"mlgit.yml": CONFIG, "sk.yml": ENVIRONMENT, **jobs, **files})
        return mlgit("plan", cwd=tmp_path).out

    return plan


def test_an_environment_without_jobs_has_the_notes_of_the_first_builder(notes: Callable[..., str]) -> None:
    shown = notes()
    assert NOT_USED in shown
    assert TAG not in shown


def test_an_environment_that_only_containers_need_has_the_notes_of_the_builder_of_images(
    notes: Callable[..., str],
) -> None:
    shown = notes("box")
    assert NOT_USED not in shown
    assert TAG in shown


def test_an_environment_that_two_builders_build_has_the_notes_of_both(notes: Callable[..., str]) -> None:
    shown = notes("here", "box")
    assert NOT_USED in shown
    assert TAG in shown


def test_what_no_builder_can_build_is_explained_by_the_one_that_is_nearest_to_it(tmp_path: Path, mlgit: Mlgit) -> None:
    channel = ENVIRONMENT.replace("{dependencies: [", "{channels: ['file:///srv/conda'], dependencies: [r-base, ")
    files = {"sk.yml": channel, "own.yml": "name: own\nbuild: {path: own, dockerfile_path: ../Dockerfile}\n"}
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "start", {"mlgit.yml": CONFIG, "own/a": "", "Dockerfile": "FROM python:3.12\n", **files})
    shown = mlgit("validate", cwd=tmp_path).out
    assert "environment/sk: the channel 'file:///srv/conda' is a folder outside of the repository" in shown
    assert "environment/own: the Dockerfile ../Dockerfile is outside of its build context" in shown
    assert "cannot" not in shown


def test_a_plan_says_that_only_a_submission_tells_whether_containers_get_gpus(notes: Callable[..., str]) -> None:
    text = "job/jobs/box: whether its Docker engine gives GPUs to containers (gpus: of the backend docker) is checked"
    config = CONFIG.replace("docker: {type: docker}}\ncompute", "docker: {type: docker, gpus: 1}}\ncompute")
    shown = notes("here", "box", **{"mlgit.yml": config})
    assert f"{text} when a run is submitted (jobs/box.yml:4:10)" in " ".join(shown.split())
    assert shown.count("is submitted") == 1
    assert "is submitted" not in notes("box", **{"mlgit.yml": CONFIG})
