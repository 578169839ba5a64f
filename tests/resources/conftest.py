"""A workspace whose computes are made by the reference provider, which runs in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from resource_provider import ReferenceResource
from workspaces import commit, git, until, write

LIVE = "refs/mlgit/small/default/live"
TESTS = Path(__file__).parent.parent
COMPUTE = """
    $schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
    name: {name}
    type: amlcompute
    size: {size}
    max_instances: {nodes}
    """


@dataclass(frozen=True)
class Provider:
    """The reference provider as a test sees it."""

    folder: Path

    @property
    def things(self) -> dict[str, list]:
        """Return what the provider has, by name."""
        things: dict[str, list] = {}
        for path in sorted((self.folder / "things").iterdir()):
            thing = json.loads(path.read_text())
            things.setdefault(thing["name"], []).append(thing["spec"])
        return things

    @property
    def made(self) -> list[str]:
        """Return the names of all things that the provider ever made."""
        return (self.folder / "made").read_text().split() if (self.folder / "made").exists() else []

    def set(self, mode: str, content: str = "") -> None:
        (self.folder / mode).write_text(content)

    def unset(self, mode: str) -> None:
        (self.folder / mode).unlink()

    def forget_everything(self) -> None:
        for path in (self.folder / "things").iterdir():
            path.unlink()

    def reset(self) -> None:
        self.forget_everything()
        (self.folder / "made").unlink(missing_ok=True)


@pytest.fixture
def provider(tmp_path):
    folder = tmp_path / "provider"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    process = subprocess.Popen([sys.executable, str(TESTS / "resource_provider.py"), str(folder)], env=environment)
    until((folder / "port").exists)
    yield Provider(folder)
    process.kill()
    process.wait()


@pytest.fixture
def port(provider) -> int:
    return int((provider.folder / "port").read_text())


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the plug-in, as a package does, by an entry point."""
    folder = tmp_path / "plugin"
    write(
        folder,
        {
            "reference-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: reference\nVersion: 1\n",
            "reference-1.dist-info/entry_points.txt": "[mlgit.resources]\nreference = resource_provider:RESOURCE\n",
        },
    )
    monkeypatch.syspath_prepend(folder)


def compute(name="cpu", size="small", nodes=1):
    return {f"compute/{name}.yml": COMPUTE.format(name=name, size=size, nodes=nodes)}


def recorded(folder, name="cpu", kind="compute"):
    """Return the record of an asset, None without one."""
    if not git(folder, "for-each-ref", LIVE):
        return None
    paths = git(folder, "ls-tree", "-r", "--name-only", LIVE, "current/").splitlines()
    path = next((path for path in paths if path.endswith(f"/{kind}/{name}.json")), None)
    return json.loads(git(folder, "show", f"{LIVE}:{path}")) if path else None


@pytest.fixture
def cluster(tmp_path, provider, port, plugin):
    """Make a workspace with one compute."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    git(folder, "init", "--quiet")
    config = f"""
        state: {{name: small, lineage: "11111111111111111111111111111111"}}
        providers: {{compute: {{type: reference, port: {port}}}}}
        """
    commit(folder, "start", {"mlgit.yml": config, ".gitignore": "/.mlgit/\n", **compute()})
    return folder


@pytest.fixture
def reference(port):
    return ReferenceResource({"type": "reference", "port": port})
