"""Jobs in containers, by whole commands: their images are built, and what a container is given shows in the run."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def folder(small, docker_engine):
    """The small workspace with its environment in an image, and its job in a container of it."""
    engine = f"engine: {docker_engine.url}"
    backends = f"builders: {{docker: {{type: docker, {engine}}}}}\nbackends: {{docker: {{type: docker, {engine}}}}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", backends)
    edit(small, "mlgit.yml", '"*": local', '"*": docker')
    edit(small, "environments/plain.yml", "image: python\n", "image: mlgit-tests/python:3\n")
    edit(small, "environments/plain.yml", 'conda_file: {dependencies: ["python>=3.11"]}\n', "")
    commit(small)
    return small


def test_a_job_runs_in_the_image_of_its_environment_and_its_output_becomes_a_model(folder, mlgit, run_json):
    edit(
        folder, "jobs/sum.yml", "compute: local\n", "compute: local\nresources: {shm_size: 48m, docker_args: -m 256m}\n"
    )
    edit(
        folder, "src/sum.py", "import pathlib, sys\n", "import os, pathlib, sys\nprint(os.path.exists('/.dockerenv'))\n"
    )
    size = "shm = os.statvfs('/dev/shm')\nprint(shm.f_blocks * shm.f_frsize)\n"
    edit(folder, "src/sum.py", "numbers, factor", f"{size}numbers, factor")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "model/total: version 1 from run sum-" in ended.out
    assert mlgit("job", "logs", "sum", cwd=folder).out == f"True\n{48 << 20}\ntotal 6\n"
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], run["backend"]) == ("completed", "docker")
    assert "No changes" in mlgit("plan", cwd=folder).out


@pytest.mark.parametrize("resources", ["docker_args: --privileged", "docker_args: [--network, host]", "shm_size: lots"])
def test_what_no_container_is_given_is_refused_in_the_plan_with_its_position(folder, mlgit, resources):
    edit(folder, "jobs/sum.yml", "compute: local\n", f"compute: local\nresources: {{{resources}}}\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert "jobs/sum.yml:7:" in planned.out + planned.err
    assert "not-supported" in planned.out + planned.err


def test_an_engine_that_does_not_answer_stops_what_needs_it_and_says_what_to_do(folder, docker_engine, mlgit):
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    edit(folder, "jobs/sum.yml", "factor: 2", "factor: 3")
    edit(
        folder,
        "mlgit.yml",
        f"backends: {{docker: {{type: docker, engine: {docker_engine.url}",
        "backends: {docker: {type: docker, engine: unix:///absent.sock",
    )
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "the Docker engine at unix:///absent.sock does not answer" in ended.out + ended.err
    assert "systemctl start docker" in ended.out + ended.err
