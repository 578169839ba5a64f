"""Whether the store still has what was put there: looked at without opening it, which would make one or load dvc.

A folder is there with all its files; its listing is the JSON that DVC writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from reconciler.content.objects import FOLDER, Objects, is_key

_CHUNK = 1 << 20


def absent(root: Path, keys: Iterable[str]) -> frozenset[str]:
    """Return those of the contents that are not, or not all, in the store."""
    return frozenset(key for key in dict.fromkeys(keys) if not _is_there(Objects(root), key))


def damaged(root: Path, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read contents that are there, and return by key the files whose bytes are not what their name says."""
    objects = Objects(root)
    found = {key: tuple(_wrong(objects, key)) for key in dict.fromkeys(keys) if _is_there(objects, key)}
    return {key: wrong for key, wrong in found.items() if wrong}


def _is_there(objects: Objects, key: str) -> bool:
    if not is_key(key) or not objects.path(key).is_file():
        return False
    parts = _parts(objects, key)
    return parts is not None and all(is_key(each) and objects.path(each).is_file() for each in parts)


def _wrong(objects: Objects, key: str) -> list[str]:
    paths = {each: objects.path(each) for each in (key, *(_parts(objects, key) or ()))}
    return [str(path) for each, path in paths.items() if _md5(path) != each.removesuffix(FOLDER)]


def _parts(objects: Objects, key: str) -> tuple[str, ...] | None:
    """Return the keys of the files in a folder, none for a file; None for a listing that cannot be read."""
    if not key.endswith(FOLDER):
        return ()
    try:
        return tuple(row["md5"] for row in json.loads(objects.path(key).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    except OSError:
        return ""  # bytes that cannot be read are not those that were put there
    return digest.hexdigest()
