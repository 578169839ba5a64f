"""Render nested values as an indented outline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.abbreviation import pluralize
from reconciler.model import Json
from reconciler.render.sanitize import sanitize_line

_MAX_BLOCK_LINES = 8


def format_outline(value: Json, indent: str = "") -> str:
    """Return nested values as an indented outline; the lines of a text stand behind bars."""
    return "\n".join(map(sanitize_line, _outline_lines(value, indent)))


def _outline_lines(value: Json, indent: str) -> Iterator[str]:
    pairs = value.items() if isinstance(value, Mapping) else (("-", item) for item in value)
    for key, item in pairs:
        name = key if key == "-" else f"{key}:"
        if isinstance(item, Mapping | list | tuple) and item:
            yield f"{indent}{name}"
            yield from _outline_lines(item, f"{indent}  ")
        elif isinstance(item, str) and "\n" in item:
            yield from _block_lines(name, item.removesuffix("\n").split("\n"), indent)
        else:
            yield f"{indent}{name} {str(item).lower() if isinstance(item, bool) else item}"


def _block_lines(name: str, lines: Sequence[str], indent: str) -> Iterator[str]:
    """Yield the lines of a short text, or only the number of lines of a long one, such as a lock file."""
    if len(lines) > _MAX_BLOCK_LINES:
        yield f"{indent}{name} ({pluralize(len(lines), 'line')})"
    else:
        yield f"{indent}{name}"
        yield from (f"{indent}  | {line}".rstrip() for line in lines)
