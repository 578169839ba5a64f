"""A live state that is shared through a remote, the pushes to it, and the Git command lines of mlgit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workspaces import APPLY, commit, edit, git

HOST = "here"
PREFIX = "refs/mlgit/small/default/"
_NOTING = "#!/bin/sh\ncat >> pushes\necho >> pushes\n"  # a blank line after each push


@dataclass(frozen=True)
class Shared:
    """An applied workspace, and the bare repository that shares its live state and logs the pushes."""

    folder: Path
    origin: Path

    def refs(self) -> dict[str, str]:
        """Return the refs of the live state at the remote, without their common prefix."""
        listed = git(self.origin, "for-each-ref", "--format=%(refname) %(objectname)", PREFIX).splitlines()
        return {ref.removeprefix(PREFIX): oid for ref, oid in map(str.split, listed)}

    def pushes(self) -> list[dict[str, tuple[str, str]]]:
        """Return the old and the new commit of each ref, for each push; "" if there is none."""
        notes = self.origin / "pushes"
        pushes = notes.read_text(encoding="utf-8").split("\n\n") if notes.exists() else []
        return [{ref: (old, new) for old, new, ref in map(_moved, push.splitlines())} for push in pushes if push]

    def locks(self) -> list[dict[str, Any]]:
        """Return all locks that were pushed, in order."""
        commits = [new for push in self.pushes() for ref, (_, new) in push.items() if ref == "locks" and new]
        paths = [
            f"{commit}:{name}"
            for commit in commits
            for name in git(self.origin, "ls-tree", "--name-only", commit).split()
        ]
        return [json.loads(git(self.origin, "show", path)) for path in paths]

    def clone(self, name: str) -> Path:
        """Make a clone that has not fetched the live state."""
        git(self.folder.parent, "clone", "--quiet", f"file://{self.origin}", name)
        return self.folder.parent / name


def _moved(line: str) -> tuple[str, str, str]:
    old, new, ref = line.split()
    nowhere = re.compile(r"^0+$")
    return nowhere.sub("", old), nowhere.sub("", new), ref.removeprefix(PREFIX)


@pytest.fixture
def shared(applied: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Return the applied workspace with a shared live state, which the first write publishes."""
    monkeypatch.setenv("MLGIT_HOST", HOST)
    monkeypatch.setenv("USER", "ada")
    origin = applied.parent / "origin.git"
    git(applied.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    (origin / "hooks").mkdir(exist_ok=True)
    (origin / "hooks/post-receive").write_text(_NOTING, encoding="utf-8")
    (origin / "hooks/post-receive").chmod(0o755)
    git(applied, "remote", "add", "origin", f"file://{origin}")
    edit(applied, "mlgit.yml", "state: {", "state: {remote: origin, ")
    edit(applied, "mlgit.yml", "store: {", f"store: {{host: {HOST}, ")
    edit(applied, "mlgit.yml", "{type: local}", f"{{type: local, host: {HOST}}}")
    commit(applied, "together")
    git(applied, "push", "--quiet", "origin", "HEAD:main")
    (origin / "pushes").unlink()
    return Shared(applied, origin)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """Return a function that returns the command lines of all Git processes so far, from the trace of Git."""
    trace = tmp_path / "trace.jsonl"
    trace.touch()
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))

    def started() -> list[list[str]]:
        events = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
        return [event["argv"] for event in events if event["event"] == "start"]

    return started


@pytest.fixture
def updated(shared: Shared, mlgit: Callable[..., Any]) -> Shared:
    """Return a shared workspace after an apply that changed only the description of a job."""
    edit(shared.folder, "jobs/sum.yml", "name: sum\n", "name: sum\ndescription: adds up\n")
    commit(shared.folder)
    result = mlgit(*APPLY, cwd=shared.folder)
    assert result.code == 0, result.err
    return shared
