"""Trees and blobs: a Git tree as a value that reads its blobs on demand, in one process for all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping

from git.exc import GitCommandError

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.git.repository import Repository
from reconciler.model import TreeEntry

FOLDER_MODE = 0o40000  # the mode of a folder in a tree
_BATCH_THRESHOLD = 32  # objects that the process which stays open reads in less time than another one takes to start


class MissingObjectError(UserError):
    """An object that Git should have and has not: the clone is partial, or damaged."""

    def __init__(self, oid: str) -> None:
        hint = "`git fsck` tells what else is missing; `git fetch` or a new clone may bring it back"
        super().__init__(Diagnostic("object-missing", f"Git has no object {oid}", hint=hint))
        self.oid = oid


def list_files(repository: Repository, tree: str, below: str = "") -> Mapping[str, TreeEntry]:
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
            found[path] = TreeEntry(int(mode, 8), oid)
    return found


def blob_sizes(repository: Repository, tree: str) -> Mapping[str, int]:
    """Return how large every blob of a tree is, in bytes."""
    listed = repository.git("ls-tree", "-r", "-l", "-z", "--full-tree", tree, strip_newline_in_stdout=False)
    lines = (part.partition("\t")[0].split() for part in listed.split("\0") if part)
    return {oid: int(size) for _, _, oid, size in lines if size != "-"}


def list_folder(repository: Repository, tree: str) -> Mapping[str, TreeEntry]:
    """Read one folder of a tree, not what lies below it, through the process that stays open.

    A MissingObjectError where there is none.
    """
    try:
        with repository.object_reader() as git:
            name, _, _, raw = git.get_object_data(tree)
    except ValueError as error:  # as in `blob`
        raise MissingObjectError(tree) from error
    return dict(_parse_tree(bytes(raw), len(name) // 2))


def list_folders(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, Mapping[str, TreeEntry]]:
    """Read many folders of a commit, not what lies below them; a MissingObjectError where one is not there."""
    raws = read_blobs(repository, [f"{commit}:{path}" for path in paths])
    return {name.partition(":")[2]: dict(_parse_tree(raw, len(commit) // 2)) for name, raw in raws.items()}


def _parse_tree(raw: bytes, length: int) -> Iterator[tuple[str, TreeEntry]]:
    """Cut a tree as Git has it: ``<mode> <name>``, a zero byte, the object in ``length`` bytes, and so on."""
    at = 0
    while at < len(raw):
        end = raw.index(b"\0", at)
        mode, _, name = raw[at:end].partition(b" ")
        at = end + 1 + length
        yield name.decode("utf-8", "surrogateescape"), TreeEntry(int(mode, 8), raw[end + 1 : at].hex())


def read_blob(repository: Repository, oid: str) -> bytes:
    """Read one blob through the process that stays open for this; a MissingObjectError where there is none."""
    if "\n" in oid:  # would be two questions
        raise MissingObjectError(oid)
    try:
        with repository.object_reader() as git:
            return bytes(git.get_object_data(oid)[3])
    except ValueError as error:  # how GitPython says that Git has no such object
        raise MissingObjectError(oid) from error


def read_file_at(repository: Repository, commit: str, path: str) -> bytes | None:
    """Read the file at a path of a commit; None where there is none."""
    try:
        return read_blob(repository, f"{commit}:{path}")
    except MissingObjectError:
        return None


def read_blobs(repository: Repository, oids: Iterable[str]) -> dict[str, bytes]:
    """Read many objects, as Git has them, in one go; a MissingObjectError where one is not there."""
    wanted = list(dict.fromkeys(oids))
    if broken := next((oid for oid in wanted if "\n" in oid), ""):  # would be two questions
        raise MissingObjectError(broken)
    if len(wanted) <= _BATCH_THRESHOLD:
        return {oid: read_blob(repository, oid) for oid in wanted}
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{oid}\n" for oid in wanted).encode())
        asked.seek(0)
        command = ["git", "cat-file", "--batch"]
        raw = repository.repo.git.execute(command, istream=asked, stdout_as_string=False, strip_newline_in_stdout=False)
    return dict(zip(wanted, _parse_batch(bytes(raw)), strict=True))


def _parse_batch(raw: bytes) -> Iterable[bytes]:
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


def changed_paths(repository: Repository, before: str, after: str) -> frozenset[str]:
    """Name every file that two trees, or the trees of two commits, do not have alike."""
    listed = repository.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--")
    return frozenset(filter(None, listed.split("\0")))


def changed_modes(repository: Repository, before: str, after: str) -> Mapping[str, tuple[int, int]]:
    """Return the files that two trees do not have alike, each with its modes there, 0 where it is not.

    A MissingObjectError where Git has not all of both.
    """
    try:
        listed = repository.git(
            "diff-tree", "-r", "-z", "--no-renames", before, after, "--", strip_newline_in_stdout=False
        )
    except GitCommandError as error:
        raise MissingObjectError(before) from error
    parts = listed.split("\0")
    pairs = (part[1:].split(" ")[:2] for part in parts[:-1:2])
    return {path: (int(old, 8), int(new, 8)) for path, (old, new) in zip(parts[1::2], pairs, strict=True)}
