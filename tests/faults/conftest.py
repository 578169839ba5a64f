"""Fixtures: a workspace whose state is shared through a remote, and what two final states are compared by."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workspaces import APPLY, SMALL, commit, git

from reconciler.git.repository import open_repository
from reconciler.state.lease import HEARTBEAT_PREFIX
from reconciler.state.locks import LOCKS_REF, read_locks
from reconciler.state.store import StateStore

_KILLABLE = Path(__file__).with_name("killable.py")

# Adds a line for each execution to a file beside the store, then sums up.
_SUM = """
import pathlib, sys
numbers, factor, out = sys.argv[1:]
run, top = pathlib.Path(out).resolve().parents[1].name, pathlib.Path(out).resolve().parents[4]
with (top / "executions").open("a") as file:
    file.write(f"{run}\\n")
total = sum(int(line) for line in pathlib.Path(numbers).read_text().split()[1:])
(pathlib.Path(out) / "total.txt").write_text(str(total * float(factor)))
"""
HOST = "here"


@dataclass(frozen=True)
class Shared:
    """A bare repository with its clones, which share one store."""

    top: Path

    @property
    def remote(self) -> Path:
        return self.top / "remote.git"

    @property
    def executions(self) -> Counter[str]:
        """The number of executions of each run."""
        path = self.top / "executions"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    def clone(self, name: str) -> Path:
        """Create a clone without the live state."""
        git(self.top, "clone", "--quiet", str(self.remote), name)
        return self.top / name

    def start(self, clone: Path, *arguments: str, kill_at: int = -1) -> subprocess.Popen[str]:
        """Start mlgit, to be killed at a step; 0 only counts the steps, a negative number does not even that."""
        command = ["-m", "reconciler"] if kill_at < 0 else [str(_KILLABLE), str(self.top / "steps"), str(kill_at)]
        return subprocess.Popen(
            [sys.executable, *command, *arguments],
            cwd=clone,
            env={**os.environ, "MLGIT_HOST": HOST},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, clone: Path, *arguments: str, kill_at: int = -1) -> tuple[int, str]:
        """Run mlgit; return exit code and output."""
        process = self.start(clone, *arguments, kill_at=kill_at)
        output, _ = process.communicate(timeout=180)
        return process.returncode, output

    def steps(self) -> list[str]:
        """Return the steps of all commands so far."""
        return (self.top / "steps").read_text().splitlines()

    def live(self, clone: Path) -> list[Mapping[str, Any]]:
        """Return the fields of the live assets that do not differ between runs."""
        code, output = self.run(clone, "list", "--archived", "--format", "json")
        assert code == 0, output
        return [{key: asset.get(key) for key in _STABLE_KEYS} for asset in json.loads(output)]

    def remaining_locks(self, clone: Path) -> list[str]:
        """Return the holders of locks and the heartbeat refs that were not released."""
        repository = open_repository(clone)
        try:
            ref_store = StateStore(repository, "small", "1" * 32, remote="origin").ref_store
            ref_store.fetch()
            lock_holders = read_locks(repository, ref_store.read_ref(LOCKS_REF))
            return [*lock_holders, *ref_store.refs_below(HEARTBEAT_PREFIX)]
        finally:
            repository.close()


_STABLE_KEYS = ("address", "version", "archived", "fingerprint", "run", "latest", "spec", "source")


def twelve_actions(top: Path) -> Mapping[str, str]:
    """Return the files of a workspace with twelve actions; two of them submit runs."""
    files = dict(SMALL)
    files["mlgit.yml"] = f"""
        state: {{name: small, lineage: "11111111111111111111111111111111", remote: origin}}
        store: {{path: {top / "store"}}}
        backends: {{local: {{type: local, host: {HOST}}}}}
        compute: {{"*": local}}
        """
    files["src/sum.py"] = _SUM
    for name in ("more", "most"):
        files[f"data/{name}.yml"] = SMALL["data/numbers.yml"].replace("name: numbers", f"name: {name}")
    job, model = SMALL["jobs/sum.yml"], SMALL["models/total.yml"]
    files["jobs/twice.yml"] = job.replace("name: sum", "name: twice").replace("factor: 2", "factor: 4")
    files["models/twice.yml"] = model.replace("name: total", "name: twice").replace("jobs/sum/", "jobs/twice/")
    return files


def make_shared(top: Path) -> Shared:
    """Create a remote and a first clone, called ``one``, with twelve actions to execute."""
    shared = Shared(top)
    git(top, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    one = shared.clone("one")
    git(one, "symbolic-ref", "HEAD", "refs/heads/main")
    commit(one, "start", twelve_actions(top))
    git(one, "push", "--quiet", "origin", "main")
    return shared


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return make_shared(tmp_path)


@pytest.fixture
def shared_workspaces(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Iterator[Shared]]:
    """Return an iterator of workspaces; each is deleted when the next one is requested."""

    def iterate() -> Iterator[Shared]:
        while True:
            top = tmp_path_factory.mktemp("shared")
            yield make_shared(top)
            shutil.rmtree(top)

    return iterate


@pytest.fixture(scope="session")
def without_faults(
    tmp_path_factory: pytest.TempPathFactory, _quiet_git: None
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Apply without a fault; return the live assets and the steps."""
    shared = make_shared(tmp_path_factory.mktemp("unharmed"))
    code, output = shared.run(shared.top / "one", *APPLY, kill_at=0)
    assert code == 0, output
    assert sum(line.startswith("  ✓ ") for line in output.splitlines()) >= 12
    return shared.live(shared.top / "one"), shared.steps()
