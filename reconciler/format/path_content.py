"""The files behind a path of a tree, links followed; and those that cannot be had, with the reason.

Git has of a link its target, of a submodule a commit, and of a file in Git LFS a pointer: none is what the user means.
What reads .amlignore is loaded by name, and only for a folder that has one.
"""

from __future__ import annotations

import importlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, BrokenLinkError, Tree, TreeEntry

_LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
_MAX_LINK_DEPTH = 8  # links to folders with links to folders
_LFS_POINTER_MAX_BYTES = 1024  # what the specification of Git LFS allows a pointer to have
_BROKEN_LINK_REASONS = {
    "link-outside": "leads out of the repository",
    "link-circle": "leads round in a circle",
    "link-dangling": "leads nowhere",
}


@dataclass(frozen=True, slots=True)
class UnavailableFile:
    """A file that cannot be had: the code of a diagnostic, what is wrong, and what to do."""

    code: str
    message: str
    hint: str

    def to_diagnostic(self, place: Span) -> Diagnostic:
        """Say it at the place that names the path."""
        return Diagnostic(self.code, self.message, place, self.hint)


@dataclass(frozen=True, slots=True)
class PathContent:
    """The files behind a path by their path within it, in order; a single file has one, under its own name."""

    files: tuple[tuple[str, TreeEntry], ...]
    is_file: bool
    unavailable: tuple[UnavailableFile, ...] = ()


def resolve_path_content(tree: Tree, path: str) -> PathContent:
    """Return the files at a path that exists in the tree; "." is the whole repository."""
    below = dict(_walk_path(tree, path, "", ()))
    is_file = "" in below
    kept = {posixpath.basename(path): below[""]} if is_file else _apply_ignore_file(tree, below)
    files = ((name, each) for name, each in sorted(kept.items()) if isinstance(each, TreeEntry))
    faults = (each for _, each in sorted(kept.items()) if isinstance(each, UnavailableFile))
    return PathContent(tuple(files), is_file, tuple(dict.fromkeys(faults)))


def find_lfs_pointers(tree: Tree, path: str, found: PathContent) -> Iterator[UnavailableFile]:
    """Yield the files that are pointers of Git LFS; that takes a look at each, which planning has no need of."""
    for name, entry in found.files:
        if _is_lfs_pointer(tree, entry.oid):
            shown = tree.display_path(path if found.is_file else f"{path}/{name}")
            message = f"{shown} is in Git LFS: Git has a pointer to it, and no content"
            yield UnavailableFile("lfs-pointer", message, "take it out of Git LFS, or declare where it lies as a URI")


def _walk_path(
    tree: Tree, path: str, name: str, above: tuple[str, ...]
) -> Iterator[tuple[str, TreeEntry | UnavailableFile]]:
    """Yield what lies at a path under ``name``, and below it; ``above`` are the folders that it was reached through."""
    try:
        real = tree.real_path(path)
    except BrokenLinkError as error:
        yield name, _broken_link(tree, error.code, error.link, error.target)
        return
    if real in above or len(above) > _MAX_LINK_DEPTH:
        yield name, _broken_link(tree, "link-circle", path, real)
    elif entry := tree.entries.get(real):
        yield name, _unavailable_submodule(tree, real) if entry.mode == SUBMODULE_MODE else entry
    else:
        yield from _walk_folder(tree, path, real, name, above)


def _walk_folder(
    tree: Tree, path: str, real: str, name: str, above: tuple[str, ...]
) -> Iterator[tuple[str, TreeEntry | UnavailableFile]]:
    prefix = f"{real}/" if real else ""
    inside = list(tree.entries_below(real))
    if not inside and real != path:
        yield name, _broken_link(tree, "link-dangling", path, real)
    for each, entry in inside:
        relative = posixpath.join(name, each.removeprefix(prefix))
        if entry.mode == SYMLINK_MODE:
            yield from _walk_path(tree, each, relative, (*above, real))
        else:
            yield (
                relative,
                _unavailable_submodule(tree, each)
                if entry.mode == SUBMODULE_MODE
                else _reject_non_utf8_name(tree, each, entry),
            )


def replace_invalid_utf8(path: str) -> str:
    """Write a path as text: Git and the disk hand on a byte that is not UTF-8 as half a letter, which is none."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _reject_non_utf8_name(tree: Tree, path: str, entry: TreeEntry) -> TreeEntry | UnavailableFile:
    """Refuse a file whose name is no text: no record could hold it."""
    if path.isascii() or replace_invalid_utf8(path) == path:
        return entry
    message = f"the name of {replace_invalid_utf8(tree.display_path(path))} is not UTF-8"
    return UnavailableFile("path-not-utf8", message, "give the file another name, or leave it out with .amlignore")


def _broken_link(tree: Tree, code: str, link: str, target: str) -> UnavailableFile:
    message = f"{tree.display_path(link)} is a link to {target}, which {_BROKEN_LINK_REASONS[code]}"
    return UnavailableFile(code, message, "replace the link by a copy of what it points to")


def _unavailable_submodule(tree: Tree, path: str) -> UnavailableFile:
    message = f"{tree.display_path(path)} is a submodule, whose files are not in this repository's Git objects"
    return UnavailableFile("submodule", message, "copy the files in, or leave the folder out with .amlignore")


def _apply_ignore_file(
    tree: Tree, below: dict[str, TreeEntry | UnavailableFile]
) -> dict[str, TreeEntry | UnavailableFile]:
    """Leave out what the folder's own .amlignore, or else its .gitignore, names (reference, section 7)."""
    ignore = below.get(".amlignore") or below.get(".gitignore")
    if not isinstance(ignore, TreeEntry):
        return below
    patterns = importlib.import_module("reconciler.format.ignore").parse_ignore_patterns(
        tree.read_blob(ignore.oid).decode("utf-8", "replace").splitlines()
    )
    return {name: entry for name, entry in below.items() if not patterns.match_file(name)}


def _is_lfs_pointer(tree: Tree, oid: str) -> bool:
    if tree.blob_size is not None and not len(_LFS_POINTER_PREFIX) <= tree.blob_size(oid) <= _LFS_POINTER_MAX_BYTES:
        return False
    return tree.read_blob(oid).startswith(_LFS_POINTER_PREFIX)
