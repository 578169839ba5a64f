"""List, read and compare the trees and blobs of a repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.git.command import GitError
from reconciler.git.repository import Repository
from reconciler.model import TreeEntry

FOLDER_MODE = 0o40000  # the mode of a folder's entry in a tree


class MissingObjectError(UserError):
    """An object is missing from the repository: the clone is partial, or damaged."""

    def __init__(self, oid: str) -> None:
        hint = "`git fsck` tells what else is missing; `git fetch` or a new clone may bring it back"
        super().__init__(Diagnostic("object-missing", f"Git has no object {oid}", hint=hint))
        self.oid = oid


def list_files(repository: Repository, tree: str, *folders: str) -> Mapping[str, TreeEntry]:
    """Return the files of a tree or a commit by path; only those below the folders, if any are given.

    Raise MissingObjectError if a part of the tree is missing.
    """
    pathspecs = ["--", *folders] if folders else []
    try:
        output = repository.git("ls-tree", "-r", "-z", "--full-tree", tree, *pathspecs)
    except GitError as error:
        raise MissingObjectError(tree) from error
    entries = {}
    for line in output.split("\0"):
        if line:
            metadata, _, path = line.partition("\t")
            mode, _, oid = metadata.split(" ")
            entries[path] = TreeEntry(int(mode, 8), oid)
    return entries


def blob_sizes(repository: Repository, tree: str) -> Mapping[str, int]:
    """Return the size of every blob of a tree, in bytes, by object ID."""
    output = repository.git("ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    rows = (line.partition("\t")[0].split() for line in output.split("\0") if line)
    return {oid: int(size) for _, _, oid, size in rows if size != "-"}


def list_folder(repository: Repository, tree: str) -> Mapping[str, TreeEntry]:
    """Return the direct entries of a tree by name. Raise MissingObjectError if the tree is missing."""
    (folder,) = repository.read_objects([tree])
    if folder is None:
        raise MissingObjectError(tree)
    return dict(_parse_tree(folder.content, len(folder.oid) // 2))


def list_folders(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, Mapping[str, TreeEntry]]:
    """Return the direct entries of many folders of a commit. Raise MissingObjectError if a folder is missing."""
    contents = read_blobs(repository, [f"{commit}:{path}" for path in paths])
    return {name.partition(":")[2]: dict(_parse_tree(content, len(commit) // 2)) for name, content in contents.items()}


def _parse_tree(content: bytes, oid_length: int) -> Iterator[tuple[str, TreeEntry]]:
    """Yield the entries of a raw tree object: ``<mode> <name>``, a zero byte, an object ID of ``oid_length`` bytes."""
    start = 0
    while start < len(content):
        end = content.index(b"\0", start)
        mode, _, name = content[start:end].partition(b" ")
        start = end + 1 + oid_length
        yield name.decode("utf-8", "surrogateescape"), TreeEntry(int(mode, 8), content[end + 1 : start].hex())


def read_blob(repository: Repository, oid: str) -> bytes:
    """Return the content of one blob. Raise MissingObjectError if it is missing."""
    return read_blobs(repository, [oid])[oid]


def read_file_at(repository: Repository, commit: str, path: str) -> bytes | None:
    """Return the content of the file at a path of a commit; None if the commit has no such file."""
    (blob,) = repository.read_objects([f"{commit}:{path}"])
    return blob.content if blob else None


def read_blobs(repository: Repository, oids: Iterable[str]) -> dict[str, bytes]:
    """Return the content of many objects, by name. Raise MissingObjectError if one is missing."""
    names = list(dict.fromkeys(oids))
    objects = repository.read_objects(names)
    contents = {name: git_object.content for name, git_object in zip(names, objects, strict=True) if git_object}
    for name in names:
        if name not in contents:
            raise MissingObjectError(name)
    return contents


def changed_paths(repository: Repository, before: str, after: str) -> frozenset[str]:
    """Return the paths of the files that differ between two trees or commits."""
    output = repository.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--")
    return frozenset(filter(None, output.split("\0")))


def changed_modes(repository: Repository, before: str, after: str) -> Mapping[str, tuple[int, int]]:
    """Return the old and new mode of every file that differs between two trees, by path; 0 means no file.

    Raise MissingObjectError if a part of either tree is missing.
    """
    try:
        output = repository.git("diff-tree", "-r", "-z", "--no-renames", before, after, "--")
    except GitError as error:
        raise MissingObjectError(before) from error
    fields = output.split("\0")
    modes = (metadata[1:].split(" ")[:2] for metadata in fields[:-1:2])
    return {path: (int(old, 8), int(new, 8)) for path, (old, new) in zip(fields[1::2], modes, strict=True)}
