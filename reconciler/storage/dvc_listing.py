"""The list of the files of a folder as DVC writes it. Imported by name when a folder is stored: dvc loads slowly."""

from __future__ import annotations

from collections.abc import Mapping

from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree


def encode_listing(keys: Mapping[str, str]) -> bytes:
    """Return the list of files, given by relative path and key."""
    tree = Tree()  # type: ignore[no-untyped-call]
    for path, key in keys.items():
        tree.add(tuple(path.split("/")), None, HashInfo("md5", key))
    listing: bytes = tree.as_bytes()
    return listing
