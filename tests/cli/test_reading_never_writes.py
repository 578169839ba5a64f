"""Commands that only read change no ref, no object, and no file of the work tree or the store."""

from __future__ import annotations

import hashlib

import pytest
from workspaces import edit, git

_READ_COMMANDS = [
    ("validate",),
    ("validate", "jobs"),
    ("plan",),
    ("plan", "--refresh"),
    ("plan", "--format", "json"),
    ("status",),
    ("list",),
    ("list", "--declared"),
    ("show", "model/total"),
    ("job", "list"),
    ("job", "show", "sum"),
    ("job", "logs", "sum"),
    ("job", "metrics", "sum"),
    ("log",),
    ("diff", "~0"),
    ("drift",),
    ("state", "show"),
    ("unlock",),
    ("fmt", "--diff"),
    ("explain",),
    ("schema",),
]


def file_digests(folder):
    """Return a digest of each file below a folder, without the caches of mlgit."""
    cache = folder / ".git" / "mlgit"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and cache not in path.parents
    }


@pytest.mark.parametrize("command", _READ_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("dirty", [False, True], ids=["clean", "dirty"])
def test_a_command_that_only_reads_changes_nothing(command, dirty, applied, mlgit):
    if dirty:
        edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    git(applied, "status")  # refreshes the index, as any Git command does
    before = file_digests(applied)
    ended = mlgit(*command, cwd=applied)
    assert ended.code == 0, ended.err
    assert file_digests(applied) == before
