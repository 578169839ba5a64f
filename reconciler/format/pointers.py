"""JSON pointers (RFC 6901): paths of values inside a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.model import Json

Pointer = tuple[str | int, ...]
"""The keys and indices of a value, from the outside to the inside."""


def escape_key(key: str) -> str:
    """Return a key escaped as one part of a pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


def unescape_key(part: str) -> str:
    """Return the key of one part of a pointer."""
    return part.replace("~1", "/").replace("~0", "~")


def join_pointer(*parts: str | int) -> str:
    """Return the pointer of keys and indices."""
    return "".join([f"/{escape_key(str(part))}" for part in parts])


def split_pointer(pointer: str) -> list[str]:
    """Return the keys and indices of a pointer."""
    parts = pointer.split("/")[1:]
    return [unescape_key(part) for part in parts] if "~" in pointer else parts


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


def combine_pointers(document: Json, pointers: Sequence[str]) -> list[str]:
    """Return pointers of values with one for those that are all of a mapping or a list: ``/services``."""
    combined: dict[str, None] = {}
    for pointer in pointers:
        combined[next(_combined_ancestors(document, pointer, pointers), pointer)] = None
    return list(combined)


def _combined_ancestors(document: Json, pointer: str, pointers: Sequence[str]) -> Iterator[str]:
    """Yield what is above a pointer and has several values, which are all at the pointers, the uppermost first."""
    parts = split_pointer(pointer)
    for length in range(1, len(parts)):
        leaves = list(_leaf_pointers(find_value(document, parts[:length]), join_pointer(*parts[:length])))
        if len(leaves) > 1 and all(_is_at_or_below(leaf, pointers) for leaf in leaves):
            yield join_pointer(*parts[:length])


def _is_at_or_below(pointer: str, pointers: Iterable[str]) -> bool:
    return any(f"{pointer}/".startswith(f"{item}/") for item in pointers)


def _leaf_pointers(value: Json, pointer: str) -> Iterator[str]:
    """Yield the pointers of the values below a pointer that are neither mappings nor lists, or empty ones."""
    items = list(value.items() if isinstance(value, Mapping) else enumerate(value if isinstance(value, list) else ()))
    if not items:
        yield pointer
    for key, item in items:
        yield from _leaf_pointers(item, f"{pointer}/{escape_key(str(key))}")
