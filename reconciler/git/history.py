"""List the commits of a ref, and compare two commits: the files that differ, and whether one has all of the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.git.command import GitError
from reconciler.git.refs import LOG_FORMAT, Commit, parse_log
from reconciler.git.repository import Repository

# The tree without files, which every repository has, by the length of its object ids.
_EMPTY_TREES = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


def log_commits(
    repository: Repository, tip: str, limit: int, paths: Sequence[str] = (), line: str = ""
) -> Iterator[Commit]:
    """Yield a commit and its ancestors, newest first; only those that changed one of the paths, if any are given.

    With ``line``, yield only commits whose message has a line that starts with it.
    """
    grep = [f"--grep=^{line}", "--basic-regexp"] if line else []
    command = ["log", f"--max-count={limit}", *LOG_FORMAT, *grep, "--end-of-options", tip, "--", *paths]
    yield from parse_log(repository.git(*command, env={"GIT_LITERAL_PATHSPECS": "1"}))


def changed_blobs(repository: Repository, before: str, after: str) -> Mapping[str, tuple[str, str]]:
    """Return the old and new blob of every file that differs between two commits, by path; "" means no file.

    A commit may be "" for one without files.
    """
    if not before and not after:
        return {}
    empty = _EMPTY_TREES[len(before or after)]
    trees = (before or empty, after or empty)
    command = ("diff-tree", "-r", "-z", "--no-renames", "--full-index", "--end-of-options", *trees)
    fields = repository.git(*command).split("\0")
    blobs = {}
    for metadata, path in zip(fields[::2], fields[1::2], strict=False):
        old, new = metadata.split(" ")[2:4]
        blobs[path] = ("" if set(old) == {"0"} else old, "" if set(new) == {"0"} else new)
    return blobs


def commit_times(repository: Repository, tip: str) -> list[tuple[str, int]]:
    """Return a commit and its ancestors, newest first, each with when it was made, in seconds since 1970."""
    rows = (line.split(" ") for line in repository.git("rev-list", "--timestamp", "--end-of-options", tip).split("\n"))
    return [(commit, int(seconds)) for seconds, commit in rows]


def list_file_blobs(repository: Repository, tip: str, suffix: str, without: str = "") -> set[str]:
    """Return the blobs of all files with a suffix that a commit and its ancestors have had.

    Those that the commit ``without`` and its ancestors had may be left out.
    """
    excluded = [f"^{without}"] if without else []
    output = repository.git("rev-list", "--objects", "--end-of-options", tip, *excluded)
    rows = (line.partition(" ") for line in output.split("\n"))
    return {oid for oid, _, path in rows if path.endswith(suffix)}


def holds_changes_of(repository: Repository, commit: str, other: str) -> bool:
    """Return True if a commit has all changes of another one: a merge of the other into it would change nothing.

    False if this clone cannot know. What the merge writes goes to the scratch folder.
    """
    if not repository.resolve(commit) or not repository.resolve(other):
        return False
    command = ("merge-tree", "--write-tree", "--no-messages", "--allow-unrelated-histories", commit, other)
    try:
        tree = repository.git(*command, env=repository.scratch_objects_env())
    except GitError:  # they conflict
        return False
    return tree == repository.tree_of(commit)
