"""What differs between a registered version and its file, in a few words: for a diagnostic, before there is a plan.

What a plan does is told in full by ``render.field_diff``, which stands above planning and knows lists item by item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.format.pointers import join_pointer
from reconciler.model import Json
from reconciler.secrets.fields import is_secret_at

_MAX_VALUE_LENGTH = 40  # letters of a value that is shown
_MAX_SHOWN = 3  # fields, and files behind one, that are named
_DIGEST_PREFIXES = ("blob:", "tree:")

KeyPath = tuple[str, ...]


def format_field_changes(before: Json, after: Json, touched: Mapping[str, KeyPath]) -> str:
    """Name the fields that differ, with both values where those are short, or with the files behind a path."""
    return _join_some([_format_field_change(*leave, touched) for leave in _changed_leaves((), before, after)])


def _changed_leaves(path: KeyPath, before: Json, after: Json) -> Iterator[tuple[KeyPath, Json, Json]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            yield from _changed_leaves((*path, name), before.get(name), after.get(name))
    elif repr(before) != repr(after):  # 1, 1.0 and true are three things
        yield path, before, after


def _format_field_change(path: KeyPath, before: Json, after: Json, touched: Mapping[str, KeyPath]) -> str:
    field = ".".join(path)
    if files := touched.get(join_pointer(*path), ()):
        return f"{field} ({_join_some(files)})"
    if before is None or after is None:
        return f"{field} {'added' if before is None else 'removed'}"
    hidden = is_secret_at(path) or str(after).startswith(_DIGEST_PREFIXES)
    return field if hidden or not (_is_short(before) and _is_short(after)) else f"{field} {before} -> {after}"


def _is_short(value: Json) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _MAX_VALUE_LENGTH


def _join_some(names: list[str] | KeyPath) -> str:
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more
