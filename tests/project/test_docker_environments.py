"""Environments of a workspace as images: applied, shown, built again as they were, with a real Docker engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Mlgit
from services.docker import BASE, DockerEngine
from workspaces import commit, git

pytestmark = [pytest.mark.services, pytest.mark.slow]

FILES = {
    "mlgit.yml": """\
state: {name: images, lineage: "11111111111111111111111111111111"}
builders: {docker: {type: docker}}
store: {path: .mlgit/store}
""",
    ".gitignore": "/.mlgit/\n",
    "environments/packages.yml": f"""\
name: packages
image: {BASE}
conda_file:
  dependencies: [python>=3.11, {{pip: [six==1.17.0]}}]
  variables: {{GREETING: hello}}
""",
    "environments/context.yml": "name: context\nbuild: {path: ../context, dockerfile_path: gpu.Dockerfile}\n",
    "context/gpu.Dockerfile": f"FROM {BASE}\nCOPY train.py /train.py\n",
    "context/train.py": "print(1)\n",
}


ON_DOCKER = "backends: {local: {type: docker}}\ncompute: {'*': local}\n"
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
name: train
command: python /train.py > ${{outputs.model}}/printed
environment: azureml:context@latest
outputs: {model: {type: uri_folder}}
"""
INLINE = JOB.replace("environment: azureml:context@latest", "environment:\n  build: {path: ../context}")


@pytest.fixture
def workspace(tmp_path: Path, docker_host: DockerEngine) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "start", FILES)
    return folder


def test_environments_are_built_as_images_and_their_dockerfiles_are_shown(
    workspace: Path, mlgit: Mlgit, golden: Callable[[str, str], None]
) -> None:
    ended = mlgit("apply", "--auto-approve", cwd=workspace)
    assert ended.code == 0, ended.out + ended.err
    record = json.loads(mlgit("show", "environment/packages", "--format", "json", cwd=workspace).out)
    base = record["builds"]["docker"]["base"]
    shown = mlgit("show", "environment/packages", "--dockerfile", cwd=workspace)
    golden("builders/shown.Dockerfile", shown.out.replace(base, "<base>"))
    shown = mlgit("show", "environment/context", "--dockerfile", cwd=workspace)
    assert shown.out == FILES["context/gpu.Dockerfile"].replace(BASE, base)
    assert mlgit("plan", "--detailed-exitcode", cwd=workspace).code == 0


def test_a_build_context_that_a_job_writes_itself_is_checked_at_its_line(workspace: Path, mlgit: Mlgit) -> None:
    commit(workspace, "job", {"jobs/train.yml": INLINE, "mlgit.yml": FILES["mlgit.yml"] + ON_DOCKER})
    ended = mlgit("validate", cwd=workspace)
    assert (
        "jobs/train.yml:5:17: warning: Dockerfile not found: context/Dockerfile does not exist" in ended.err + ended.out
    )
    own = INLINE.replace("../context}", "../context, dockerfile_path: gpu.Dockerfile}")
    commit(workspace, "named", {"jobs/train.yml": own})
    ended = mlgit("validate", cwd=workspace)
    assert ended.out == "3 files: fine.\n"
    missing = INLINE.replace("../context}", "../none}")
    commit(workspace, "missing", {"jobs/train.yml": missing})
    assert mlgit("validate", cwd=workspace).code == 1


def test_a_change_of_a_file_of_the_context_makes_a_version_that_is_built(workspace: Path, mlgit: Mlgit) -> None:
    assert mlgit("apply", "--auto-approve", cwd=workspace).code == 0
    commit(workspace, "change", {"context/train.py": "print(2)\n"})
    ended = mlgit("apply", "--auto-approve", cwd=workspace)
    assert ended.code == 0, ended.out + ended.err
    assert "environment/context@2" in mlgit("list", "environment", cwd=workspace).out or "2" in ended.out


def test_a_job_runs_in_the_image_of_a_build_context(workspace: Path, mlgit: Mlgit) -> None:
    commit(workspace, "job", {"jobs/train.yml": JOB, "mlgit.yml": FILES["mlgit.yml"] + ON_DOCKER})
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=workspace)
    assert ended.code == 0, ended.out + ended.err
    shown = mlgit("job", "show", "train", cwd=workspace).out
    assert "completed" in shown.lower(), shown


def test_a_refresh_says_that_an_engine_does_not_answer(
    workspace: Path, mlgit: Mlgit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mlgit("apply", "--auto-approve", cwd=workspace).code == 0
    monkeypatch.setenv("DOCKER_HOST", f"unix://{workspace}/none.sock")
    shown = mlgit("plan", "--refresh", cwd=workspace)
    assert "No changes." in shown.out
    assert "built environments were not checked: the Docker engine at" in shown.err + shown.out


def test_packages_that_a_dockerfile_installs_are_not_said_to_be_compared(workspace: Path, mlgit: Mlgit) -> None:
    assert mlgit("apply", "--auto-approve", cwd=workspace).code == 0
    compared = mlgit("env", "diff", "context", "packages", cwd=workspace).out.splitlines()
    assert compared[0].startswith("environment/context@1 -> environment/packages@1: ")
    note = "environment/context@1 is built from a Dockerfile: what that installs is in no lock, and not compared."
    assert compared[-1] == note
