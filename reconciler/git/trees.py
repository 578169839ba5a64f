"""Trees and blobs: a Git tree as a value that reads its blobs on demand, in one process for all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping

from git.exc import GitCommandError

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.git.repository import Repository
from reconciler.model import Entry, Tree


class MissingObjectError(UserError):
    """An object that Git should have and has not: the clone is partial, or damaged."""

    def __init__(self, oid: str) -> None:
        hint = "`git fsck` tells what else is missing; `git fetch` or a new clone may bring it back"
        super().__init__(Diagnostic("object-missing", f"Git has no object {oid}", hint=hint))
        self.oid = oid


def load(repository: Repository, tree: str, root: str = "") -> Tree:
    """Return a tree with everything below it; ``root`` is the folder of the workspace, "" or ending in a slash."""

    def at(commit: str) -> Tree | None:
        known = repository.resolve(commit)
        return load(repository, repository.tree_of(known), root) if known else None

    def read(oid: str) -> bytes:
        return blob(repository, oid)

    def size(oid: str) -> int:
        try:
            return int(repository.repo.git.get_object_header(oid)[2])
        except ValueError as error:  # as in `blob`
            raise MissingObjectError(oid) from error

    return Tree(tree, entries(repository, tree), read, root, at, size)


def entries(repository: Repository, tree: str, below: str = "") -> Mapping[str, Entry]:
    """List every file of a tree or a commit, or those below one folder of it, by path.

    A MissingObjectError where Git has not all of the tree.
    """
    only = ["--", below] if below else []
    try:
        listed = repository.git("ls-tree", "-r", "-z", "--full-tree", tree, *only, strip_newline_in_stdout=False)
    except GitCommandError as error:
        raise MissingObjectError(tree) from error
    found = {}
    for line in listed.split("\0"):
        if line:
            meta, _, path = line.partition("\t")
            mode, _, oid = meta.split(" ")
            found[path] = Entry(int(mode, 8), oid)
    return found


def blob(repository: Repository, oid: str) -> bytes:
    """Read one blob through the process that stays open for this; a MissingObjectError where there is none."""
    try:
        return bytes(repository.repo.git.get_object_data(oid)[3])
    except ValueError as error:  # how GitPython says that Git has no such object
        raise MissingObjectError(oid) from error


def file_at(repository: Repository, commit: str, path: str) -> bytes | None:
    """Read the file at a path of a commit; None where there is none."""
    try:
        return blob(repository, f"{commit}:{path}")
    except MissingObjectError:
        return None


def blobs(repository: Repository, oids: Iterable[str]) -> dict[str, bytes]:
    """Read many blobs in one process; a MissingObjectError where one is not there."""
    wanted = list(dict.fromkeys(oids))
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{oid}\n" for oid in wanted).encode())
        asked.seek(0)
        command = ["git", "cat-file", "--batch"]
        raw = repository.repo.git.execute(command, istream=asked, stdout_as_string=False, strip_newline_in_stdout=False)
    return dict(zip(wanted, _split(bytes(raw)), strict=True))


def _split(raw: bytes) -> Iterable[bytes]:
    """Cut the answer of cat-file --batch: ``<oid> blob <size>``, a newline, the content, a newline, and so on."""
    at = 0
    while at < len(raw):
        header_end = raw.index(b"\n", at)
        oid, _, said = raw[at:header_end].partition(b" ")
        if said == b"missing":
            raise MissingObjectError(oid.decode())
        size = int(said.rpartition(b" ")[2])
        yield raw[header_end + 1 : header_end + 1 + size]
        at = header_end + size + 2
