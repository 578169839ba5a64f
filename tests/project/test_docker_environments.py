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


def test_a_change_of_a_file_of_the_context_makes_a_version_that_is_built(workspace: Path, mlgit: Mlgit) -> None:
    assert mlgit("apply", "--auto-approve", cwd=workspace).code == 0
    commit(workspace, "change", {"context/train.py": "print(2)\n"})
    ended = mlgit("apply", "--auto-approve", cwd=workspace)
    assert ended.code == 0, ended.out + ended.err
    assert "environment/context@2" in mlgit("list", "environment", cwd=workspace).out or "2" in ended.out
