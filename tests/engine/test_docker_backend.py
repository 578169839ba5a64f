"""Jobs in containers, by whole commands: their images are built, and what a container is given shows in the run."""

from __future__ import annotations

import re

import pytest
from services.docker import build_static
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


def test_a_plan_warns_of_runs_with_gpus_that_the_engine_cannot_give_and_apply_refuses_them(folder, mlgit):
    edit(folder, "mlgit.yml", "backends: {docker: {", "backends: {docker: {gpus: 1, ")
    commit(folder)
    for _ in range(2):  # what is asked of the engine is not remembered
        planned = mlgit("plan", cwd=folder)
        assert planned.code == 0
        assert "warning: job/sum: docker: a run that takes GPUs is refused on this machine" in planned.err
        assert "[gpus-missing]" in planned.err
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "warning: job/sum: docker: a run that takes GPUs" in ended.err
    assert "a run takes GPUs (1 of 1), and the Docker engine cannot give" in ended.out + ended.err
    assert "a run that takes GPUs" not in mlgit("validate", cwd=folder).out
    edit(folder, "mlgit.yml", "gpus: 1, ", "gpus: 1, gpus_per_run: 0, ")
    commit(folder)
    assert "GPUs is refused" not in mlgit("plan", cwd=folder).err
    edit(folder, "mlgit.yml", "gpus: 1, gpus_per_run: 0, ", "")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err


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


def test_an_image_in_which_no_job_runs_fails_its_build_and_is_refused_in_the_next_plan(folder, docker_engine, mlgit):
    build_static(docker_engine, "mlgit-tests/static:1")
    edit(folder, "environments/plain.yml", "image: mlgit-tests/python:3\n", "image: mlgit-tests/static:1\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert "environment/plain: whether jobs can run in its image on docker is known after the build" in planned.out
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "environment/plain: docker: no job can run in the image sha256:" in ended.out + ended.err
    assert "[image-unusable]" in ended.out + ended.err
    assert mlgit("list", "environment", cwd=folder).out.count("plain") == 0
    planned = mlgit("plan", cwd=folder)
    assert "environments/plain.yml:3:8: error: environment/plain: docker: no job can run" in planned.out + planned.err
    assert "is known after the build" not in planned.out
    python = "/usr/bin/python3"
    edit(
        folder, "mlgit.yml", "backends: {docker: {", f"backends: {{docker: {{interpreter: {python.rpartition('/')[0]}, "
    )
    commit(folder)
    assert "> environment/plain: build with docker" in mlgit("plan", cwd=folder).out  # it may be another with that


def test_an_image_that_a_job_writes_and_in_which_no_job_runs_is_refused_in_the_next_plan(folder, docker_engine, mlgit):
    build_static(docker_engine, "mlgit-tests/static:arm64", platform="linux/arm64")
    edit(folder, "jobs/sum.yml", "azureml:plain@latest", "{image: mlgit-tests/static:arm64}")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "it is for arm64, and the engine is amd64" in ended.out + ended.err
    planned = mlgit("plan", cwd=folder)
    assert "jobs/sum.yml:5:14: error: job/sum: docker: no job can run" in planned.out + planned.err


STEPS = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
name: steps
settings: {default_compute: azureml:local}
jobs:
  one:
    command: cat /made > ${{outputs.made}}/made
    environment: {build: {path: ../image}}
    outputs: {made: {type: uri_folder}}
  two:
    component: ../components/show.yml
"""
SHOW = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: show
command: cat /made
environment: {build: {path: ../image}}
"""


def test_a_job_writes_the_build_of_its_image_itself_and_a_file_of_its_context_makes_another(folder, mlgit):
    edit(folder, "jobs/sum.yml", "azureml:plain@latest", "{build: {path: ../image, dockerfile_path: my.Dockerfile}}")
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys\nprint(open('/made').read())\n")
    commit(folder, files={"image/my.Dockerfile": "FROM mlgit-tests/python:3\nCOPY made /made\n", "image/made": "one"})
    planned = mlgit("plan", cwd=folder)
    (first,) = re.findall(r"> (environment/anonymous-\w+):", planned.out)
    assert "declared inline in jobs/sum.yml" in planned.out
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "sum", cwd=folder).out == "one\ntotal 6\n"
    assert "No changes" in mlgit("plan", cwd=folder).out
    commit(folder, files={"image/made": "two"})
    planned = mlgit("plan", cwd=folder)
    assert "new run of job/sum on local (docker) because" in planned.out
    assert "image/made" in planned.out or "(made)" in planned.out
    (second,) = re.findall(r"> (environment/anonymous-\w+):", planned.out)
    assert mlgit(*APPLY, cwd=folder).code == 0
    assert mlgit("job", "logs", "sum", cwd=folder).out == "two\ntotal 6\n"
    unused = mlgit("env", "prune", "--days", "0", cwd=folder).out
    assert (first in unused, second in unused) == (True, False)


def test_prune_removes_the_names_that_builds_gave_to_images_and_not_the_images(
    folder, docker_engine, mlgit, monkeypatch, tmp_path
):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "cache"))
    build_static(docker_engine, "mlgit-tests/left:1")
    image = docker_engine.run("image", "inspect", "--format", "{{.Id}}", "mlgit-tests/left:1").partition(":")[2]
    (folder / "jobs/sum.yml").unlink()
    (folder / "models/total.yml").unlink()
    edit(folder, "environments/plain.yml", "image: mlgit-tests/python:3\n", "build: {path: ../image}\n")
    commit(folder, files={"image/Dockerfile": "FROM mlgit-tests/left:1\nCOPY Dockerfile /made\n"})
    apply = ("apply", "--auto-approve", "--select", "environment")
    assert mlgit(*apply, cwd=folder).code == 0
    assert mlgit("env", "prune", "--days", "0", cwd=folder).out == "No built environment is unused.\n"
    commit(folder, files={"image/Dockerfile": "FROM scratch\nCOPY Dockerfile /made\n"})
    assert mlgit(*apply, cwd=folder).code == 0
    shown = mlgit("env", "prune", "--days", "0", cwd=folder).out
    assert f"docker: mlgit/base:{image} (" in shown
    assert "1 environment and 1 name of base images, " in shown
    removed = mlgit("env", "prune", "--days", "0", "--remove", cwd=folder)
    assert (removed.code, "Removed 1 environment and 1 name of base images, " in removed.out) == (0, True)
    tags = docker_engine.run("image", "inspect", "--format", "{{.RepoTags}}", "mlgit-tests/left:1")
    assert "mlgit-tests/left:1" in tags  # other tests may have given the same image a name
    assert "mlgit/base:" not in tags
    assert mlgit("env", "prune", "--days", "0", cwd=folder).out == "No built environment is unused.\n"


def test_the_steps_of_a_pipeline_and_their_components_write_the_builds_of_their_images(folder, mlgit):
    image = {"image/Dockerfile": "FROM mlgit-tests/python:3\nRUN echo three > /made\n"}
    commit(folder, files={**image, "jobs/steps.yml": STEPS, "components/show.yml": SHOW})
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "steps/two", cwd=folder).out == "three\n"
    commit(folder, files={"jobs/steps.yml": STEPS.replace("../components/show.yml", "azureml:show@latest")})
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "No changes" in mlgit("plan", cwd=folder).out


PARALLEL = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
name: score
type: pipeline
settings: {default_compute: azureml:local}
outputs:
  lines: {type: uri_file}
jobs:
  score:
    type: parallel
    inputs:
      data: {type: uri_folder, path: ../many}
    outputs:
      lines: ${{parent.outputs.lines}}
    input_data: ${{inputs.data}}
    mini_batch_size: "3"
    max_concurrency_per_instance: 2
    mini_batch_error_threshold: 0
    task:
      type: run_function
      code: ../src
      entry_script: score.py
      environment: azureml:plain@latest
      append_row_to: ${{outputs.lines}}
"""
SCORE = """\
import os, pathlib

def run(batch):
    mark = pathlib.Path("killed")
    if batch[0].endswith("12.txt") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), 9)
    return [pathlib.Path(name).read_text() + str(os.path.exists("/.dockerenv")) for name in batch]
"""


def test_a_parallel_step_runs_its_workers_in_one_container_and_replaces_one_that_is_killed(folder, mlgit, tmp_path):
    files = {f"many/{number:02d}.txt": f"{number} " for number in range(20)}
    commit(folder, "score", {**files, "jobs/score.yml": PARALLEL, "src/score.py": SCORE})
    ended = mlgit("run", "jobs/score.yml", cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    log = mlgit("job", "logs", "score/score", cwd=folder).out
    assert "parallel: 20 files in 7 mini-batches, 2 worker processes" in log
    assert "the worker of mini-batch 5 was ended by SIGKILL; another one repeats it" in log
    assert mlgit("job", "download", "score", str(tmp_path / "got"), cwd=folder).code == 0
    (text,) = (path.read_text() for path in (tmp_path / "got").rglob("lines") if path.is_file())
    assert text == "".join(f"{number} True\n" for number in range(20))
