"""The history of a ref: its commits, those that changed a path, and the files that differ between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.git.refs import LOG_FORMAT, Commit, parse_log
from reconciler.git.repository import Repository


def log_commits(
    repository: Repository, tip: str, limit: int, paths: Sequence[str] = (), line: str = ""
) -> Iterator[Commit]:
    """Yield a commit and its ancestors, newest first; only those that changed a path, or whose message has a line."""
    grep = [f"--grep=^{line}", "--basic-regexp"] if line else []
    command = ["log", f"--max-count={limit}", *LOG_FORMAT, *grep, "--end-of-options", tip, "--", *paths]
    yield from parse_log(repository.git(*command, env={"GIT_LITERAL_PATHSPECS": "1"}))


def changed_blobs(repository: Repository, before: str, after: str) -> Mapping[str, tuple[str, str]]:
    """Return the old and new blob of every file that differs between two commits, by path; "" for none."""
    command = ("diff-tree", "-r", "-z", "--no-renames", "--full-index", "--end-of-options", before, after)
    parts = repository.git(*command).split("\0")
    blobs = {}
    for meta, path in zip(parts[::2], parts[1::2], strict=False):
        old, new = meta.split(" ")[2:4]
        blobs[path] = ("" if set(old) == {"0"} else old, "" if set(new) == {"0"} else new)
    return blobs
