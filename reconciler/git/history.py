"""What a ref went through: its commits, those that touched a path, and the files that differ between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.git.refs import LOG_FORMAT, Commit, parse_log
from reconciler.git.repository import Repository


def log_commits(
    repository: Repository, tip: str, limit: int, paths: Sequence[str] = (), said: str = ""
) -> Iterator[Commit]:
    """Yield the commits behind a tip, newest first: those that touched a path, whose message has a line, if given."""
    only = [f"--grep=^{said}", "--basic-regexp"] if said else []
    command = ["log", f"--max-count={limit}", *LOG_FORMAT, *only, "--end-of-options", tip, "--", *paths]
    yield from parse_log(repository.git(*command, env={"GIT_LITERAL_PATHSPECS": "1"}))


def changed_blobs(repository: Repository, before: str, after: str) -> Mapping[str, tuple[str, str]]:
    """Return the blobs of every file that differs between two commits, by path; "" where there is none."""
    command = ("diff-tree", "-r", "-z", "--no-renames", "--full-index", "--end-of-options", before, after)
    parts = repository.git(*command, strip_newline_in_stdout=False).split("\0")
    found = {}
    for meta, path in zip(parts[::2], parts[1::2], strict=False):
        old, new = meta.split(" ")[2:4]
        found[path] = ("" if set(old) == {"0"} else old, "" if set(new) == {"0"} else new)
    return found
