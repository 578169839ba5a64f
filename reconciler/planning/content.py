"""The content behind a path of a tree: the files that belong to it, and one digest of them all.

Files are named by their Git blobs and never read from disk, so a run gets exactly what was fingerprinted. What DVC
tracks has the digest of its pointer, which is in Git.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from reconciler.diagnostics import UserError
from reconciler.format.dvc_pointers import find_dvc_tracked
from reconciler.format.path_content import resolve_path_content
from reconciler.model import ChangedBlob, ContentChange, LocalPath, Tree, TreeEntry
from reconciler.model.dvc_pointer import DvcPointer

REGULAR_MODE = 0o100644  # that of a file of DVC, which records none
_MAX_SIZES = 10_000  # files whose sizes Git is asked for; a question takes some 20 microseconds


class TrackedContent(NamedTuple):
    """The files behind a path, by their path within it; for a single file, the file under its own name.

    With ``dvc``, the file or the folder is one that DVC tracks: Git has no blobs of it, and ``files`` has one entry
    with its name and its digest for DVC.
    """

    digest: str
    files: tuple[tuple[str, TreeEntry], ...]
    is_file: bool
    dvc: DvcPointer | None = None


def tracked_content(tree: Tree, path: str) -> TrackedContent:
    """Return the content at a path that the tree has, or that DVC tracks; "." is the whole repository.

    Links are followed. Files that cannot be read are left out: loading the asset has reported them.
    """
    if pointer := _find_pointer(tree, path):
        return _dvc_content(pointer)
    content = resolve_path_content(tree, path)
    if content.is_file:
        digest = f"blob:{content.files[0][1].oid}" if content.files else ""
        return TrackedContent(digest, content.files, is_file=True)
    listing = "".join(f"{entry.mode:o} {entry.oid} {name}\0" for name, entry in content.files)
    return TrackedContent(f"tree:{hashlib.sha256(listing.encode()).hexdigest()[:40]}", content.files, is_file=False)


def has_content(tree: Tree, path: str) -> bool:
    """Return True if a tree has something at a path, or the pointer of DVC to it."""
    return tree.exists(path) or _find_pointer(tree, path) is not None


def _find_pointer(tree: Tree, path: str) -> DvcPointer | None:
    tracked = None if tree.exists(path) else find_dvc_tracked(tree, path)
    return tracked.pointer if tracked else None


def _dvc_content(pointer: DvcPointer) -> TrackedContent:
    part = (
        f".{hashlib.sha256(pointer.within.encode(errors='surrogateescape')).hexdigest()[:16]}" if pointer.within else ""
    )
    key = f"{pointer.key}{part}"
    entry = TreeEntry(REGULAR_MODE, key)
    return TrackedContent(f"dvc:{key}", ((pointer.name, entry),), is_file=not pointer.is_folder, dvc=pointer)


def local_path_digest(tree: Tree, local_path: LocalPath) -> str:
    """Return the digest of the content that a spec names, followed by its name if the name matters too."""
    digest = tracked_content(tree, local_path.path).digest
    return f"{digest}/{local_path.name}" if local_path.name else digest


def changed_files(before: TrackedContent, after: TrackedContent) -> tuple[str, ...]:
    """Return the names of the files that were added, removed or changed between two contents."""
    old, new = dict(before.files), dict(after.files)
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def content_change(tree: Tree, before: TrackedContent, after: TrackedContent) -> ContentChange:
    """Return how many files were added, removed and changed between two contents, and their bytes as Git has them.

    No file is read; ``tree`` is any tree of the repository.
    """
    if before.dvc or after.dvc:
        return _dvc_change(before, after)
    old, new = dict(before.files), dict(after.files)
    former = dict(zip(new, old, strict=False)) if before.is_file and after.is_file else {}
    if former:  # a file that was renamed is still the file of the asset
        old = dict(zip(new, old.values(), strict=False))
    added = [new[name].oid for name in new.keys() - old.keys()]
    removed = [old[name].oid for name in old.keys() - new.keys()]
    changed = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    change = ContentChange(len(added), len(removed), len(changed), None, None, None, None)
    if tree.blob_size is None or len(added) + len(removed) + 2 * len(changed) > _MAX_SIZES:
        return change
    pairs = [((former.get(name, name), name), old[name].oid, new[name].oid) for name in changed]
    try:
        blobs = [_changed_blob(tree.blob_size, *pair) for pair in pairs]
        return change._replace(
            bytes_added=sum(map(tree.blob_size, added)),
            bytes_removed=sum(map(tree.blob_size, removed)),
            bytes_before=sum(blob.sizes[0] for blob in blobs),
            bytes_after=sum(blob.sizes[1] for blob in blobs),
            changed_blobs=tuple(blob for blob in blobs if blob.oids[0] != blob.oids[1]),  # not another mode only
        )
    except UserError:  # a clone without the files of earlier commits
        return change


def _dvc_change(before: TrackedContent, after: TrackedContent) -> ContentChange:
    """Return how data changed that DVC tracks: one file for another, or what only its list of files says."""
    sides = (before.dvc, after.dvc)
    if not (before.dvc and after.dvc) or before.dvc.is_folder or after.dvc.is_folder:
        return ContentChange(dvc=sides)
    sizes = (before.dvc.size or None, after.dvc.size or None)
    known = sizes if all(sizes) else (None, None)
    return ContentChange(changed=1, bytes_before=known[0], bytes_after=known[1], dvc=sides)


def _changed_blob(size: Callable[[str], int], names: tuple[str, str], before: str, after: str) -> ChangedBlob:
    return ChangedBlob(names, (before, after), (size(before), size(after)))
