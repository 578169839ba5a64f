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
from reconciler.model import LINK, MODULE, BrokenLinkError, Entry, Tree

_POINTER = b"version https://git-lfs.github.com/spec/"
_DEEP = 8  # links to folders with links to folders
_POINTER_BYTES = 1024  # what the specification of Git LFS allows a pointer to have
_WHY = {
    "link-outside": "leads out of the repository",
    "link-circle": "leads round in a circle",
    "link-dangling": "leads nowhere",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that cannot be had: the code of a diagnostic, what is wrong, and what to do."""

    code: str
    message: str
    hint: str

    def at(self, place: Span) -> Diagnostic:
        """Say it at the place that names the path."""
        return Diagnostic(self.code, self.message, place, self.hint)


@dataclass(frozen=True, slots=True)
class Behind:
    """The files behind a path by their path within it, in order; a single file has one, under its own name."""

    files: tuple[tuple[str, Entry], ...]
    is_file: bool
    faults: tuple[Fault, ...] = ()


def behind(tree: Tree, path: str) -> Behind:
    """Return the files at a path that exists in the tree; "." is the whole repository."""
    below = dict(_found(tree, path, "", ()))
    is_file = "" in below
    kept = {posixpath.basename(path): below[""]} if is_file else _kept(tree, below)
    files = ((name, each) for name, each in sorted(kept.items()) if isinstance(each, Entry))
    faults = (each for _, each in sorted(kept.items()) if isinstance(each, Fault))
    return Behind(tuple(files), is_file, tuple(dict.fromkeys(faults)))


def unfetched(tree: Tree, path: str, found: Behind) -> Iterator[Fault]:
    """Yield the files that are pointers of Git LFS; that takes a look at each, which planning has no need of."""
    for name, entry in found.files:
        if _is_pointer(tree, entry.oid):
            shown = tree.shown(path if found.is_file else f"{path}/{name}")
            message = f"{shown} is in Git LFS: Git has a pointer to it, and no content"
            yield Fault("lfs-pointer", message, "take it out of Git LFS, or declare where it lies as a URI")


def _found(tree: Tree, path: str, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, Entry | Fault]]:
    """Yield what lies at a path under ``name``, and below it; ``above`` are the folders that it was reached through."""
    try:
        real = tree.real(path)
    except BrokenLinkError as error:
        yield name, _broken(tree, error.code, error.link, error.target)
        return
    if real in above or len(above) > _DEEP:
        yield name, _broken(tree, "link-circle", path, real)
    elif entry := tree.entries.get(real):
        yield name, _submodule(tree, real) if entry.mode == MODULE else entry
    else:
        yield from _listed(tree, path, real, name, above)


def _listed(tree: Tree, path: str, real: str, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, Entry | Fault]]:
    prefix = f"{real}/" if real else ""
    inside = list(tree.below(real))
    if not inside and real != path:
        yield name, _broken(tree, "link-dangling", path, real)
    for each, entry in inside:
        relative = posixpath.join(name, each.removeprefix(prefix))
        if entry.mode == LINK:
            yield from _found(tree, each, relative, (*above, real))
        else:
            yield relative, _submodule(tree, each) if entry.mode == MODULE else _named(tree, each, entry)


def legible(path: str) -> str:
    """Write a path as text: Git and the disk hand on a byte that is not UTF-8 as half a letter, which is none."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _named(tree: Tree, path: str, entry: Entry) -> Entry | Fault:
    """Refuse a file whose name is no text: no record could hold it."""
    if path.isascii() or legible(path) == path:
        return entry
    message = f"the name of {legible(tree.shown(path))} is not UTF-8"
    return Fault("path-not-utf8", message, "give the file another name, or leave it out with .amlignore")


def _broken(tree: Tree, code: str, link: str, target: str) -> Fault:
    message = f"{tree.shown(link)} is a link to {target}, which {_WHY[code]}"
    return Fault(code, message, "replace the link by a copy of what it points to")


def _submodule(tree: Tree, path: str) -> Fault:
    message = f"{tree.shown(path)} is a submodule, whose files are not in this repository's Git objects"
    return Fault("submodule", message, "copy the files in, or leave the folder out with .amlignore")


def _kept(tree: Tree, below: dict[str, Entry | Fault]) -> dict[str, Entry | Fault]:
    """Leave out what the folder's own .amlignore, or else its .gitignore, names (reference, section 7)."""
    ignore = below.get(".amlignore") or below.get(".gitignore")
    if not isinstance(ignore, Entry):
        return below
    patterns = importlib.import_module("reconciler.format.ignoring").ignoring(
        tree.read(ignore.oid).decode("utf-8", "replace").splitlines()
    )
    return {name: entry for name, entry in below.items() if not patterns.match_file(name)}


def _is_pointer(tree: Tree, oid: str) -> bool:
    if tree.size is not None and not len(_POINTER) <= tree.size(oid) <= _POINTER_BYTES:
        return False
    return tree.read(oid).startswith(_POINTER)
