"""The content behind a path of a tree: which files belong to it, and one digest of them all.

What is fingerprinted here is what is staged later: the files are named by their Git blobs, never read from disk.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from reconciler.model import Entry, Tree

GITLINK = 0o160000


@dataclass(frozen=True, slots=True)
class Tracked:
    """The files behind a path, by their path within it; a single file has one, under its own name."""

    digest: str
    files: tuple[tuple[str, Entry], ...]
    is_file: bool


def tracked(tree: Tree, path: str) -> Tracked:
    """Return the content at a path that exists in the tree; "" is the whole repository."""
    if path in tree.entries:
        entry = tree.entries[path]
        return Tracked(f"blob:{entry.oid}", ((posixpath.basename(path), entry),), is_file=True)
    prefix = "" if path == "." else f"{path}/"
    below = {name.removeprefix(prefix): entry for name, entry in tree.entries.items() if name.startswith(prefix)}
    files = tuple(sorted(_kept(tree, below).items()))
    listing = "".join(f"{entry.mode:o} {entry.oid} {name}\0" for name, entry in files)
    return Tracked(f"tree:{hashlib.sha256(listing.encode()).hexdigest()[:40]}", files, is_file=False)


def _kept(tree: Tree, below: dict[str, Entry]) -> dict[str, Entry]:
    """Leave out what the folder's own .amlignore, or else its .gitignore, names (reference, section 7)."""
    ignore = below.get(".amlignore") or below.get(".gitignore")
    if ignore is None:
        return below
    patterns = GitIgnoreSpec.from_lines(tree.read(ignore.oid).decode("utf-8", "replace").splitlines())
    return {name: entry for name, entry in below.items() if not patterns.match_file(name)}


def differences(before: Tracked, after: Tracked) -> tuple[str, ...]:
    """Name the files that were added, removed or changed between two contents."""
    old, new = dict(before.files), dict(after.files)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
