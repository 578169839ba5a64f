"""Trees and blobs of a repository, listed, read and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.git.command import GitError
from reconciler.git.repository import Repository
from reconciler.model import TreeEntry

FOLDER_MODE = 0o40000  # the mode of a folder in a tree


class MissingObjectError(UserError):
    """An object that Git should have and has not: the clone is partial, or damaged."""

    def __init__(self, oid: str) -> None:
        hint = "`git fsck` tells what else is missing; `git fetch` or a new clone may bring it back"
        super().__init__(Diagnostic("object-missing", f"Git has no object {oid}", hint=hint))
        self.oid = oid


def list_files(repository: Repository, tree: str, *below: str) -> Mapping[str, TreeEntry]:
    """Return every file of a tree or a commit, or those below folders of it, by path.

    Raises MissingObjectError if Git does not have all of the tree.
    """
    only = ["--", *below] if below else []
    try:
        listed = repository.git("ls-tree", "-r", "-z", "--full-tree", tree, *only)
    except GitError as error:
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
    listed = repository.git("ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    lines = (part.partition("\t")[0].split() for part in listed.split("\0") if part)
    return {oid: int(size) for _, _, oid, size in lines if size != "-"}


def list_folder(repository: Repository, tree: str) -> Mapping[str, TreeEntry]:
    """Return the entries of one folder of a tree, not those below it. Raises MissingObjectError if there is none."""
    (folder,) = repository.read_objects([tree])
    if folder is None:
        raise MissingObjectError(tree)
    return dict(_parse_tree(folder.content, len(folder.oid) // 2))


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
    """Return the content of one blob. Raises MissingObjectError if Git does not have it."""
    return read_blobs(repository, [oid])[oid]


def read_file_at(repository: Repository, commit: str, path: str) -> bytes | None:
    """Return the content of the file at a path of a commit; None if there is none."""
    (blob,) = repository.read_objects([f"{commit}:{path}"])
    return blob.content if blob else None


def read_blobs(repository: Repository, oids: Iterable[str]) -> dict[str, bytes]:
    """Return the content of many objects, by name. Raises MissingObjectError if Git does not have one."""
    names = list(dict.fromkeys(oids))
    objects = repository.read_objects(names)
    contents = {name: git_object.content for name, git_object in zip(names, objects, strict=True) if git_object}
    for name in names:
        if name not in contents:
            raise MissingObjectError(name)
    return contents


def changed_paths(repository: Repository, before: str, after: str) -> frozenset[str]:
    """Name every file that two trees, or the trees of two commits, do not have alike."""
    listed = repository.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--")
    return frozenset(filter(None, listed.split("\0")))


def changed_modes(repository: Repository, before: str, after: str) -> Mapping[str, tuple[int, int]]:
    """Return the files that two trees do not have alike, each with its modes there, 0 where it is not.

    A MissingObjectError where Git has not all of both.
    """
    try:
        listed = repository.git("diff-tree", "-r", "-z", "--no-renames", before, after, "--")
    except GitError as error:
        raise MissingObjectError(before) from error
    parts = listed.split("\0")
    pairs = (part[1:].split(" ")[:2] for part in parts[:-1:2])
    return {path: (int(old, 8), int(new, 8)) for path, (old, new) in zip(parts[1::2], pairs, strict=True)}
