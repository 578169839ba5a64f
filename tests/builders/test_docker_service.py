"""The Docker engine of the tests: it builds with the network, pushes to its registry, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from services.docker import REGISTRY, DockerEngine

pytestmark = [pytest.mark.services, pytest.mark.slow]

DOCKERFILE = "FROM mlgit-tests/python:3\nRUN python3 -m pip install --no-cache-dir six==1.17.0\n"


def test_an_image_is_built_with_a_package_of_the_index_pushed_and_pulled_by_digest(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    name = f"{REGISTRY}/mlgit-tests/six:1"
    docker_engine.run("build", "--quiet", "--tag", name, str(tmp_path))
    docker_engine.run("push", "--quiet", name)
    digest = docker_engine.run("inspect", "--format", "{{index .RepoDigests 0}}", name)
    docker_engine.run("rmi", "--force", name)
    assert docker_engine.run("run", "--rm", digest, "python3", "-c", "import six; print(six.__version__)") == "1.17.0"
