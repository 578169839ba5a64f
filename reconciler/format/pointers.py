"""JSON pointers (RFC 6901): paths of values inside a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.model import Json


def escape_key(key: str) -> str:
    """Return a key escaped as one part of a pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape_key(part: str) -> str:
    """Return the key of one part of a pointer."""
    return part.replace("~1", "/").replace("~0", "~")


def join_pointer(*parts: str | int) -> str:
    """Return the pointer of keys and indices."""
    return "".join(f"/{escape_key(str(part))}" for part in parts)


def split_pointer(pointer: str) -> list[str]:
    """Return the keys and indices of a pointer."""
    return [unescape_key(part) for part in pointer.split("/")[1:]]


def find_value(value: Json, parts: Iterable[str | int]) -> Json:
    """Return the value at the keys and indices, or None if there is none."""
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(str(part))
        elif isinstance(value, Sequence) and not isinstance(value, str) and str(part).isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value
