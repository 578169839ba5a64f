"""Whether the store still has what was put there: looked at without opening it, which would make one or load dvc.

A folder is there with all its files; its listing is the JSON that DVC writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from reconciler.storage.objects import FOLDER_SUFFIX, ObjectFiles, is_object_key

_CHUNK_SIZE = 1 << 20


def find_missing_contents(root: Path, keys: Iterable[str]) -> frozenset[str]:
    """Return those of the contents that are not, or not all, in the store."""
    return frozenset(key for key in dict.fromkeys(keys) if not _is_present(ObjectFiles(root), key))


def find_corrupt_files(root: Path, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read contents that are there, and return by key the files whose bytes are not what their name says."""
    objects = ObjectFiles(root)
    found = {key: tuple(_corrupt_paths(objects, key)) for key in dict.fromkeys(keys) if _is_present(objects, key)}
    return {key: wrong for key, wrong in found.items() if wrong}


def _is_present(objects: ObjectFiles, key: str) -> bool:
    if not is_object_key(key) or not objects.object_path(key).is_file():
        return False
    parts = _member_keys(objects, key)
    return parts is not None and all(is_object_key(part) and objects.object_path(part).is_file() for part in parts)


def _corrupt_paths(objects: ObjectFiles, key: str) -> list[str]:
    paths = {each: objects.object_path(each) for each in (key, *(_member_keys(objects, key) or ()))}
    return [str(path) for each, path in paths.items() if _file_md5(path) != each.removesuffix(FOLDER_SUFFIX)]


def _member_keys(objects: ObjectFiles, key: str) -> tuple[str, ...] | None:
    """Return the keys of the files in a folder, none for a file; None for a listing that cannot be read."""
    if not key.endswith(FOLDER_SUFFIX):
        return ()
    try:
        return tuple(row["md5"] for row in json.loads(objects.object_path(key).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _file_md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK_SIZE):
                digest.update(piece)
    except OSError:
        return ""  # bytes that cannot be read are not those that were put there
    return digest.hexdigest()
