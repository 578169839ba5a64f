"""Checks the contents of the object store without opening it, which could create it and would load dvc.

A folder is present if all of its files are; its listing is the JSON that DVC writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from reconciler.regular_files import open_regular_file
from reconciler.storage.objects import FOLDER_SUFFIX, ObjectFiles, is_object_key

_CHUNK_SIZE = 1 << 20


def find_missing_contents(root: Path, keys: Iterable[str]) -> frozenset[str]:
    """Return those of the contents that are missing or incomplete in the store."""
    return frozenset(key for key in dict.fromkeys(keys) if not _is_present(ObjectFiles(root), key))


def find_corrupt_files(root: Path, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read the contents that are present; return by key the files whose bytes do not match their name."""
    objects = ObjectFiles(root)
    corrupt_paths = {key: _corrupt_paths(objects, key) for key in dict.fromkeys(keys) if _is_present(objects, key)}
    return {key: paths for key, paths in corrupt_paths.items() if paths}


def _is_present(objects: ObjectFiles, key: str) -> bool:
    if not is_object_key(key) or not objects.object_path(key).is_file():
        return False
    members = _member_keys(objects, key)
    return members is not None and all(
        is_object_key(member) and objects.object_path(member).is_file() for member in members
    )


def _corrupt_paths(objects: ObjectFiles, key: str) -> tuple[str, ...]:
    paths = {object_key: objects.object_path(object_key) for object_key in (key, *(_member_keys(objects, key) or ()))}
    return tuple(
        str(path) for object_key, path in paths.items() if _file_md5(path) != object_key.removesuffix(FOLDER_SUFFIX)
    )


def _member_keys(objects: ObjectFiles, key: str) -> tuple[str, ...] | None:
    """Return the keys of the files in a folder, none for a file; None if the listing cannot be read."""
    if not key.endswith(FOLDER_SUFFIX):
        return ()
    try:
        with open_regular_file(objects.object_path(key)) as file:
            return tuple(entry["md5"] for entry in json.load(file))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _file_md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with open_regular_file(path) as file:
            while chunk := file.read(_CHUNK_SIZE):
                digest.update(chunk)
    except OSError:
        return ""  # a file that cannot be read is corrupt
    return digest.hexdigest()
