"""A team: clones of one workspace with a shared live state, and a job whose executions are counted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from workspaces import SMALL, commit, git

HOST = "here"
LIVE = "refs/mlgit/small/default/live"


@dataclass(frozen=True)
class Team:
    """A bare repository and clones of it."""

    folder: Path
    origin: Path
    first: Path

    def clone(self, name: str, *options: str, url: str = "") -> Path:
        """Clone the remote."""
        git(self.folder, "clone", "--quiet", *options, url or f"file://{self.origin}", name)
        return self.folder / name

    def live(self) -> str:
        """Return the commit of the live state at the remote, "" for none."""
        return git(self.origin, "for-each-ref", "--format=%(objectname)", LIVE)

    def lock_refs(self) -> list[str]:
        """Return the refs of locks and heartbeats at the remote."""
        refs = git(self.origin, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()
        return [ref for ref in refs if "/locks" in ref or "/heartbeat/" in ref]

    def executions(self) -> int:
        """Return how often the job was executed."""
        executions_file = self.folder / "executions"
        return len(executions_file.read_text().splitlines()) if executions_file.exists() else 0

    def hook(self, name: str, script: str) -> None:
        """Install a hook at the remote."""
        path = self.origin / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)


def shared(folder: Path) -> dict[str, str]:
    """Return the files of the small workspace with a shared live state and one store for all clones."""
    settings = f"""
        state: {{name: small, lineage: "{"1" * 32}", remote: origin}}
        store: {{path: {folder}/store, host: {HOST}}}
        backends: {{local: {{type: local, host: {HOST}}}}}
        compute: {{"*": local}}
        """
    counting_script = (
        f"{SMALL['src/sum.py'].rstrip()}\n        open({str(folder / 'executions')!r}, 'a').write('once\\n')\n"
    )
    return {**SMALL, "mlgit.yml": settings, "src/sum.py": counting_script}


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Create a bare repository and a clone that has pushed the workspace."""
    monkeypatch.setenv("MLGIT_HOST", HOST)
    origin, first = tmp_path / "origin.git", tmp_path / "first"
    git(tmp_path, "init", "--quiet", "--bare", "--shared", str(origin))  # which refuses refs that go backwards
    git(tmp_path, "clone", "--quiet", f"file://{origin}", str(first))
    commit(first, "start", shared(tmp_path))
    git(first, "push", "--quiet", "origin", "HEAD:main")
    git(first, "branch", "--quiet", "--set-upstream-to=origin/main")
    return Team(tmp_path, origin, first)


@pytest.fixture
def without_job(team: Team) -> Team:
    """Remove what needs an environment from the workspace, so that an apply takes less than a second."""
    for name in ("jobs", "models", "environments"):
        shutil.rmtree(team.first / name)
    commit(team.first, "no job")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    return team


@pytest.fixture
def data() -> Callable[[Path, str], None]:
    """Return a function that declares and commits another data asset in a clone."""

    def declare(folder: Path, name: str) -> None:
        files = {
            f"data/{name}.yml": SMALL["data/numbers.yml"].replace("numbers", name),
            f"data/{name}.csv": f"{name}\n",
        }
        commit(folder, name, files)

    return declare
