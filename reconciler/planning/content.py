"""The content behind a path of a tree: which files belong to it, and one digest of them all.

What is fingerprinted here is what is staged later: the files are named by their Git blobs, never read from disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from reconciler.format.path_content import resolve_path_content
from reconciler.model import LocalPath, Tree, TreeEntry


@dataclass(frozen=True, slots=True)
class TrackedContent:
    """The files behind a path, by their path within it; a single file has one, under its own name."""

    digest: str
    files: tuple[tuple[str, TreeEntry], ...]
    is_file: bool


def tracked_content(tree: Tree, path: str) -> TrackedContent:
    """Return the content at a path that exists in the tree; "." is the whole repository.

    Links count as what they lead to. What cannot be had is left out: reading the asset has said so.
    """
    found = resolve_path_content(tree, path)
    if found.is_file:
        return TrackedContent(f"blob:{found.files[0][1].oid}" if found.files else "", found.files, is_file=True)
    listing = "".join(f"{entry.mode:o} {entry.oid} {name}\0" for name, entry in found.files)
    return TrackedContent(f"tree:{hashlib.sha256(listing.encode()).hexdigest()[:40]}", found.files, is_file=False)


def local_path_digest(tree: Tree, mention: LocalPath) -> str:
    """Return what counts of what a spec names: the digest of its content, and its name where that counts as well."""
    digest = tracked_content(tree, mention.path).digest
    return f"{digest}/{mention.name}" if mention.name else digest


def changed_files(before: TrackedContent, after: TrackedContent) -> tuple[str, ...]:
    """Name the files that were added, removed or changed between two contents."""
    old, new = dict(before.files), dict(after.files)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
