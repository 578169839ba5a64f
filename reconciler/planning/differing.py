"""What differs between a registered version and its file, in a few words: for a diagnostic, before there is a plan.

What a plan does is told in full by ``render.fields``, which stands above planning and knows lists item by item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.format.pointers import join
from reconciler.format.secrecy import is_secret_at
from reconciler.model import Json

_SHORT = 40  # letters of a value that is shown
_MOST = 3  # fields, and files behind one, that are named
_DIGESTS = ("blob:", "tree:")

Path = tuple[str, ...]


def differing(before: Json, after: Json, touched: Mapping[str, Path]) -> str:
    """Name the fields that differ, with both values where those are short, or with the files behind a path."""
    return _some([_told(*each, touched) for each in _leaves((), before, after)])


def _leaves(path: Path, before: Json, after: Json) -> Iterator[tuple[Path, Json, Json]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            yield from _leaves((*path, name), before.get(name), after.get(name))
    elif repr(before) != repr(after):  # 1, 1.0 and true are three things
        yield path, before, after


def _told(path: Path, before: Json, after: Json, touched: Mapping[str, Path]) -> str:
    field = ".".join(path)
    if files := touched.get(join(*path), ()):
        return f"{field} ({_some(files)})"
    if before is None or after is None:
        return f"{field} {'added' if before is None else 'removed'}"
    hidden = is_secret_at(path) or str(after).startswith(_DIGESTS)
    return field if hidden or not (_is_short(before) and _is_short(after)) else f"{field} {before} -> {after}"


def _is_short(value: Json) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _SHORT


def _some(names: list[str] | Path) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
