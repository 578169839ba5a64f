"""Write a tree that has some of the files of another one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from reconciler.git.repository import Repository
from reconciler.model import TreeEntry


def write_partial_tree(repository: Repository, entries: Mapping[str, TreeEntry]) -> str:
    """Write a tree of files, whose blobs Git has; return its id. The user's index stays unchanged."""
    lines = (f"{entry.mode:06o} {entry.oid}\t{path}\0" for path, entry in entries.items())
    with tempfile.TemporaryDirectory(prefix="mlgit-index-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        stdin = "".join(lines).encode("utf-8", "surrogateescape")
        repository.write_git("update-index", "-z", "--index-info", env=env, stdin=stdin)
        return repository.write_git("write-tree", env=env)
