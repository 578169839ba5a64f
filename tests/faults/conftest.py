"""A workspace whose state is shared through a remote, and everything by which two ends of it are compared."""

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
from reconciler.state import locks
from reconciler.state.lease import HEARTBEAT_PREFIX
from reconciler.state.store import StateStore

_MORTAL = Path(__file__).with_name("mortal.py")

# Leaves a line for every execution beside the store, then adds up.
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
    """A bare repository that clones share, with one store that all of them have."""

    top: Path

    @property
    def remote(self) -> Path:
        return self.top / "remote.git"

    @property
    def executions(self) -> Counter[str]:
        """Count the executions of each run."""
        noted = self.top / "executions"
        return Counter(noted.read_text().split()) if noted.exists() else Counter()

    def clone(self, name: str) -> Path:
        """Make a clone that has never seen the live state."""
        git(self.top, "clone", "--quiet", str(self.remote), name)
        return self.top / name

    def start(self, clone: Path, *arguments: str, fatal: int = -1) -> subprocess.Popen[str]:
        """Start mlgit, to die at a step or not at all."""
        way = ["-m", "reconciler"] if fatal < 0 else [str(_MORTAL), str(self.top / "steps"), str(fatal)]
        return subprocess.Popen(
            [sys.executable, *way, *arguments],
            cwd=clone,
            env={**os.environ, "MLGIT_HOST": HOST},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, clone: Path, *arguments: str, fatal: int = -1) -> tuple[int, str]:
        """Run mlgit to its end; return exit code and output."""
        process = self.start(clone, *arguments, fatal=fatal)
        said, _ = process.communicate(timeout=180)
        return process.returncode, said

    def steps(self) -> list[str]:
        """Return the steps of all that was run so far."""
        return (self.top / "steps").read_text().splitlines()

    def live(self, clone: Path) -> list[Mapping[str, Any]]:
        """Return what is live, without what differs from time to time."""
        code, said = self.run(clone, "list", "--archived", "--format", "json")
        assert code == 0, said
        return [{key: load.get(key) for key in _SAME} for load in json.loads(said)]

    def left_over(self, clone: Path) -> list[str]:
        """Name the claims and beats that nobody has given back."""
        repository = open_repository(clone)
        try:
            home = StateStore(repository, "small", "1" * 32, remote="origin").ref_store
            home.fetch()
            return [*locks.read_locks(repository, home.read_ref(locks.LOCKS_REF)), *home.refs_below(HEARTBEAT_PREFIX)]
        finally:
            repository.close()


_SAME = ("address", "version", "archived", "fingerprint", "run", "latest", "spec", "source")


def twelve(top: Path) -> Mapping[str, str]:
    """Return a workspace of twelve actions, two of them runs that hang on each other's outcome."""
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
    """Make a remote and a first clone, called ``one``, with twelve actions to do."""
    shared = Shared(top)
    git(top, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    one = shared.clone("one")
    git(one, "symbolic-ref", "HEAD", "refs/heads/main")
    commit(one, "start", twelve(top))
    git(one, "push", "--quiet", "origin", "main")
    return shared


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return make_shared(tmp_path)


@pytest.fixture
def each_shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Iterator[Shared]]:
    """Make one after the other, each gone when the next is asked for."""

    def make() -> Iterator[Shared]:
        while True:
            top = tmp_path_factory.mktemp("shared")
            yield make_shared(top)
            shutil.rmtree(top)

    return make


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory, _quiet_git: None) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Apply without any fault; return what is live then, and the steps that it took."""
    shared = make_shared(tmp_path_factory.mktemp("unharmed"))
    code, said = shared.run(shared.top / "one", *APPLY, fatal=0)
    assert code == 0, said
    assert sum(line.startswith("  ✓ ") for line in said.splitlines()) >= 12
    return shared.live(shared.top / "one"), shared.steps()
