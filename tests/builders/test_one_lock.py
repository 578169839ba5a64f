"""One lock, three realisations: conda, venv and docker lock the same packages of pip, and install the same versions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from services.conda_channel import PYTHON_VERSION
from services.docker import BASE, DockerEngine

from reconciler.builders import load_builder
from reconciler.builders._conda_lock import parse_conda_lock
from reconciler.builders._docker_lock import parse_docker_lock
from reconciler.model.builder import Built
from reconciler.model.tasks import Image, Prefix
from reconciler.storage.folder_store import FolderStore

pytestmark = [pytest.mark.services, pytest.mark.slow]

ADDRESS = "environment/one"
SPEC: Mapping[str, Any] = {
    "name": "one",
    "image": BASE,
    "conda_file": {
        "channels": ["own"],
        "dependencies": [f"python={PYTHON_VERSION}", {"pip": ["pytest<9", "python-dateutil", "six==1.17.0"]}],
    },
}
LIST = """
import importlib.metadata, json
print(json.dumps({item.name.lower(): item.version for item in importlib.metadata.distributions()}))
"""
INSTALLERS = {"pip", "setuptools", "wheel"}


def build(settings: Mapping[str, Any], root: Path, lock: str = "") -> Built:
    builder = load_builder(settings, root)
    plan = builder.plan(ADDRESS, "f" * 64, SPEC, lock)
    return builder.build(plan, FolderStore(root / "store"), lambda _: None)


def list_packages(built: Built, engine: DockerEngine) -> dict[str, str]:
    """Return the versions of what Python finds in an environment, without what installs."""
    if isinstance(built.environment, Image):
        listed = engine.run("run", "--rm", built.environment.reference, "python", "-c", LIST)
    else:
        assert isinstance(built.environment, Prefix)
        command = [f"{built.environment.path}/bin/python", "-I", "-c", LIST]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: version for name, version in json.loads(listed).items() if name not in INSTALLERS}


def test_one_lock_has_three_realisations(tmp_path: Path, conda_channel: Path, docker_host: DockerEngine) -> None:
    conda = build({"type": "conda", "mirrors": {"own": conda_channel.as_uri()}}, tmp_path / "conda")
    venv = build({"type": "venv"}, tmp_path / "venv")
    docker = build({"type": "docker"}, tmp_path / "docker")
    lock = parse_conda_lock(ADDRESS, conda.lock).pip_lock
    assert "python-dateutil==" in lock
    assert (venv.lock, parse_docker_lock(docker.lock).packages) == (lock, lock)
    assert (conda.python_version, venv.python_version, docker.python_version) == (PYTHON_VERSION,) * 3
    listed = list_packages(conda, docker_host)
    assert {"pytest", "python-dateutil", "six", "iniconfig"} <= listed.keys()
    assert list_packages(venv, docker_host) == listed
    assert list_packages(docker, docker_host) == listed


def test_the_lock_of_one_builder_gives_the_same_environment_with_another(
    tmp_path: Path, conda_channel: Path, docker_host: DockerEngine
) -> None:
    conda = build({"type": "conda", "mirrors": {"own": conda_channel.as_uri()}}, tmp_path / "conda")
    lock = parse_conda_lock(ADDRESS, conda.lock).pip_lock
    venv = build({"type": "venv"}, tmp_path / "venv", lock)
    assert venv.lock == lock
    assert list_packages(venv, docker_host) == list_packages(conda, docker_host)
