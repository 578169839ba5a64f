"""Notes on what of an environment is not pinned: packages without an exact version, and the tag of an image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.abbreviation import join_some

_MAX_NAMES = 5
_EXACT_PIP = re.compile(r"^[^=<>!~;]*===?\s*[^*\s,;]+\s*(?:[;#].*)?$")
_EXACT_CONDA = re.compile(r"^[\w.:-]+\s*==\s*[^*\s,]+$|^[\w.:-]+=[^=*]+=\S+$")
_NAME = re.compile(r"^[\w.:-]+")
_OF_PYTHON = frozenset({"python", "pip", "setuptools", "wheel"})
_DIGEST = "@sha256:"


def unpinned_packages(conda_file: Any) -> dict[str, str]:
    """Return the packages of a conda file that no exact version is given for, by JSON pointer within the file."""
    dependencies = conda_file.get("dependencies") if isinstance(conda_file, Mapping) else None
    found: dict[str, str] = {}
    for index, entry in enumerate(dependencies if isinstance(dependencies, list | tuple) else ()):
        pointer = f"/dependencies/{index}"
        if isinstance(entry, str) and not _EXACT_CONDA.match(entry.strip()):
            found |= _named(entry, pointer)
        listed = entry.get("pip") if isinstance(entry, Mapping) else None
        for position, line in enumerate(listed if isinstance(listed, list | tuple) else ()):
            if isinstance(line, str) and not line.startswith("-") and not _EXACT_PIP.match(line.strip()):
                found |= _named(line, f"{pointer}/pip/{position}")
    return found


def pinning_notes(
    spec: Mapping[str, Any], *, uses_image: bool, lock: str = ""
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the notes on an environment, with the JSON pointers of what they are about.

    ``lock`` is the path of the lock that mlgit.yml binds to it, "" for none.
    """
    image = spec.get("image")
    if uses_image and isinstance(image, str) and image and _DIGEST not in image:
        yield f"{image} is a tag, which can move: the first build records its digest, which pins it", ("/image",)
    if lock and spec.get("conda_file"):
        yield f"packages are those of the lock {lock}, which mlgit.yml names in locks:", ("/conda_file",)
    elif unpinned := unpinned_packages(spec.get("conda_file")):
        names = join_some(list(dict.fromkeys(unpinned.values())), _MAX_NAMES)
        verb = "is" if len(unpinned) == 1 else "are"
        text = f"{names} {verb} not pinned to a version: the first build records a lock, which pins all packages"
        yield text, tuple(f"/conda_file{pointer}" for pointer in unpinned)


def _named(entry: str, pointer: str) -> dict[str, str]:
    match = _NAME.match(entry.strip())
    name = match[0].rpartition("::")[2] if match else ""
    return {pointer: name} if name and name not in _OF_PYTHON else {}
