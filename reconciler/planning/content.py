"""The content behind a path of a tree: the files that belong to it, and one digest of them all.

Files are named by their Git blobs and never read from disk, so a run gets exactly what was fingerprinted.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from reconciler.format.path_content import resolve_path_content
from reconciler.model import LocalPath, Tree, TreeEntry


class TrackedContent(NamedTuple):
    """The files behind a path, by their path within it; for a single file, the file under its own name."""

    digest: str
    files: tuple[tuple[str, TreeEntry], ...]
    is_file: bool


def tracked_content(tree: Tree, path: str) -> TrackedContent:
    """Return the content at a path that exists in the tree; "." is the whole repository.

    Links are followed. Files that cannot be read are left out: loading the asset has reported them.
    """
    content = resolve_path_content(tree, path)
    if content.is_file:
        digest = f"blob:{content.files[0][1].oid}" if content.files else ""
        return TrackedContent(digest, content.files, is_file=True)
    listing = "".join(f"{entry.mode:o} {entry.oid} {name}\0" for name, entry in content.files)
    return TrackedContent(f"tree:{hashlib.sha256(listing.encode()).hexdigest()[:40]}", content.files, is_file=False)


def local_path_digest(tree: Tree, local_path: LocalPath) -> str:
    """Return the digest of the content that a spec names, followed by its name if the name matters too."""
    digest = tracked_content(tree, local_path.path).digest
    return f"{digest}/{local_path.name}" if local_path.name else digest


def changed_files(before: TrackedContent, after: TrackedContent) -> tuple[str, ...]:
    """Return the names of the files that were added, removed or changed between two contents."""
    old, new = dict(before.files), dict(after.files)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
