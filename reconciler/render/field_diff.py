"""Render the fields that an action changes as a diff, with the lines that GitHub colours."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from reconciler.abbreviation import join_some
from reconciler.model import Json
from reconciler.planning.diff import is_digest
from reconciler.render.markdown_text import more_lines, shorten_line

_MAX_LINES = 30  # of one field, and of one asset before its next field is left out
_MAX_LENGTH = 200  # of a value
_MAX_LINE = 2 * _MAX_LENGTH
_MAX_FILES = 10
_MAX_COMPARED = 400  # lines of a text; more are not compared line by line
_CONTEXT = 40  # characters before the place where two long values begin to differ
_CUT = "..."


def field_diff_lines(action: Mapping[str, Json]) -> list[str]:
    """Return the diff of an action: its address, then the fields; nothing if no field differs."""
    changes = action.get("changes", ())
    if not changes:
        return []
    lines, shown = [f"@@ {action['address']} @@"], 0
    for change in changes:
        if len(lines) > _MAX_LINES:
            break
        lines += islice(_change_lines(change), _MAX_LINES)
        shown += 1
    more = [f"  {line}" for line in more_lines(len(changes) - shown, "field")]
    return [shorten_line(line, _MAX_LINE) for line in (*lines, *more)]


def _change_lines(change: Mapping[str, Json]) -> Iterator[str]:
    field, before, after = change["field"], change.get("before"), change.get("after")
    if change.get("files"):
        yield f"! {field}: {join_some(change['files'], _MAX_FILES)}"
    elif is_digest(before) or is_digest(after):
        yield f"! {field}: the content {change['change']}"
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before and "\n" in after:
        yield f"! {field}:"
        yield from _text_diff_lines(before.splitlines(), after.splitlines())
    else:
        old, new = _cut_pair(_value_text(before), _value_text(after))
        yield from [f"- {field}: {old}"] if "before" in change else []
        yield from [f"+ {field}: {new}"] if "after" in change else []


def _text_diff_lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    if max(len(before), len(after)) > _MAX_COMPARED:
        yield f"- {len(before):,} lines"
        yield f"+ {len(after):,} lines"
        return
    differences = difflib.unified_diff(before, after, n=1, lineterm="")
    for line in islice(differences, 2, None):  # without the names of files
        if not line.startswith("@@"):
            yield f"{line[0]}   {_cut(line[1:], 0)}"


def _value_text(value: Json) -> str:
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)


def _cut_pair(before: str, after: str) -> tuple[str, str]:
    """Return two values cut to what can be read, with the place where they begin to differ."""
    differing = (index for index, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    start = next(differing, min(len(before), len(after)))
    is_long = max(len(before), len(after)) > _MAX_LENGTH
    first = max(start - _CONTEXT, 0) if is_long else 0
    return _cut(before, first), _cut(after, first)


def _cut(text: str, first: int) -> str:
    end = first + _MAX_LENGTH
    return f"{_CUT if first else ''}{text[first:end]}{_CUT if end < len(text) else ''}"
