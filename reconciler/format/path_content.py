"""Resolve a path of a tree to its files: symbolic links followed, ignored files left out, unavailable files reported.

Git stores a link as its target, a submodule as a commit, and a file in Git LFS as a pointer; none is the content.
``ignore`` is imported by name, and only for a folder with an ignore file.
"""

from __future__ import annotations

import importlib
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import (
    SUBMODULE_MODE,
    SYMLINK_MODE,
    BrokenLinkError,
    FileReader,
    PathProblem,
    Tree,
    TreeEntry,
    broken_link_problem,
)

_LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
_MAX_IGNORE_BYTES = 100_000  # a pattern takes a hundred times its length
_MAX_LINK_DEPTH = 8  # of nested links to folders
_LFS_POINTER_MAX_BYTES = 1024  # by the specification of Git LFS


class UnavailableFile(NamedTuple):
    """A file whose content is not in the repository: code, message and hint of the diagnostic."""

    code: str
    message: str
    hint: str

    def to_diagnostic(self, span: Span) -> Diagnostic:
        """Return the diagnostic at the span of the path."""
        return Diagnostic(self.code, self.message, span, self.hint)


class PathContent(NamedTuple):
    """The files of a path, sorted, by their path within it; a single file is listed by its name."""

    files: tuple[tuple[str, TreeEntry], ...]
    is_file: bool
    unavailable: tuple[UnavailableFile, ...] = ()


def find_path_problem(files: FileReader, path: str, *, must_be_file: bool = False) -> PathProblem | None:
    """Return why what is at a path cannot be used; with ``must_be_file`` a folder is a problem too.

    None if it can be used, if there is nothing, or if the files cannot say.
    """
    if not hasattr(files, "path_problem"):
        return None
    problem: PathProblem | None = files.path_problem(path, must_be_file=must_be_file)
    return problem


def is_folder(files: FileReader, path: str) -> bool | None:
    """Return True if what exists at a path is a folder, False if it is a file; None if that cannot be told."""
    if path == ".":
        return True
    if not hasattr(files, "path_problem"):
        return None
    problem = find_path_problem(files, path, must_be_file=True)
    return False if problem is None else (True if problem.code == "not-a-file" else None)


def resolve_path_content(tree: Tree, path: str) -> PathContent:
    """Return the files of a path that exists in the tree; "." is the whole repository."""
    entries = dict(_walk_path(tree, path, "", ()))
    is_file = "" in entries
    included = {posixpath.basename(path): entries[""]} if is_file else _apply_ignore_file(tree, entries)
    files = ((name, entry) for name, entry in sorted(included.items()) if isinstance(entry, TreeEntry))
    unavailable = (entry for _, entry in sorted(included.items()) if isinstance(entry, UnavailableFile))
    return PathContent(tuple(files), is_file, tuple(dict.fromkeys(unavailable)))


def find_lfs_pointers(tree: Tree, path: str, content: PathContent) -> Iterator[UnavailableFile]:
    """Yield the files that are pointers of Git LFS; this reads blobs, which planning does not need."""
    for name, entry in content.files:
        if _is_lfs_pointer(tree, entry.oid):
            file = tree.display_path(path if content.is_file else f"{path}/{name}")
            message = f"{file} is in Git LFS: the repository has a pointer, not the content"
            yield UnavailableFile("lfs-pointer", message, "remove it from Git LFS, or declare its location as a URI")


def _walk_path(
    tree: Tree, path: str, name: str, parents: tuple[str, ...]
) -> Iterator[tuple[str, TreeEntry | UnavailableFile]]:
    """Yield the entries at and below a path, named from ``name``; ``parents`` are the folders already entered."""
    try:
        real = tree.real_path(path)
    except BrokenLinkError as error:
        yield name, _broken_link(tree, error.code, error.link, error.target)
        return
    if real in parents or len(parents) > _MAX_LINK_DEPTH:
        yield name, _broken_link(tree, "link-circle", path, real)
    elif entry := tree.entries.get(real):
        yield name, _unavailable_submodule(tree, real) if entry.mode == SUBMODULE_MODE else entry
    else:
        yield from _walk_folder(tree, path, real, name, parents)


def _walk_folder(
    tree: Tree, path: str, real: str, name: str, parents: tuple[str, ...]
) -> Iterator[tuple[str, TreeEntry | UnavailableFile]]:
    prefix = f"{real}/" if real else ""
    entries = list(tree.entries_below(real))
    if not entries and real != path:
        yield name, _broken_link(tree, "link-dangling", path, real)
    for file, entry in entries:
        relative = posixpath.join(name, file.removeprefix(prefix))
        if entry.mode == SYMLINK_MODE:
            yield from _walk_path(tree, file, relative, (*parents, real))
        elif entry.mode == SUBMODULE_MODE:
            yield relative, _unavailable_submodule(tree, file)
        else:
            yield relative, _reject_non_utf8_name(tree, file, entry)


def replace_invalid_utf8(path: str) -> str:
    """Return a path that can be printed: bytes that are not UTF-8, which Python keeps as surrogates, are replaced."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _reject_non_utf8_name(tree: Tree, path: str, entry: TreeEntry) -> TreeEntry | UnavailableFile:
    """Return the entry, or the reason if its name is not UTF-8: a record could not hold the name."""
    if path.isascii() or replace_invalid_utf8(path) == path:
        return entry
    message = f"the name of {replace_invalid_utf8(tree.display_path(path))} is not UTF-8"
    return UnavailableFile("path-not-utf8", message, "rename the file, or exclude it with .amlignore")


def _broken_link(tree: Tree, code: str, link: str, target: str) -> UnavailableFile:
    problem = broken_link_problem(code, tree.display_path(link), target)
    return UnavailableFile(problem.code, str(problem), problem.hint)


def _unavailable_submodule(tree: Tree, path: str) -> UnavailableFile:
    message = f"{tree.display_path(path)} is a submodule: its files are not in this repository"
    return UnavailableFile("submodule", message, "copy the files, or exclude the folder with .amlignore")


def _apply_ignore_file(
    tree: Tree, entries: dict[str, TreeEntry | UnavailableFile]
) -> dict[str, TreeEntry | UnavailableFile]:
    """Return the entries that the folder's .amlignore, else its .gitignore, does not ignore (reference, section 7)."""
    ignore_file = entries.get(".amlignore") or entries.get(".gitignore")
    if not isinstance(ignore_file, TreeEntry):
        return entries
    raw = tree.read_blob(ignore_file.oid)
    if len(raw) > _MAX_IGNORE_BYTES:
        name = ".amlignore" if ".amlignore" in entries else ".gitignore"
        message = f"{name} has more than {_MAX_IGNORE_BYTES:,} bytes, which is the limit"
        return {**entries, name: UnavailableFile("file-too-large", message, "write fewer patterns, with wildcards")}
    lines = raw.decode("utf-8", "replace").splitlines()
    patterns = importlib.import_module("reconciler.format.ignore").parse_ignore_patterns(lines)
    return {name: entry for name, entry in entries.items() if not patterns.match_file(name)}


def _is_lfs_pointer(tree: Tree, oid: str) -> bool:
    if tree.blob_size is not None and not len(_LFS_POINTER_PREFIX) <= tree.blob_size(oid) <= _LFS_POINTER_MAX_BYTES:
        return False
    return tree.read_blob(oid).startswith(_LFS_POINTER_PREFIX)
