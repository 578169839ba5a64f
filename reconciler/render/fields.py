"""What differs between two sides of a change, field by field: the home of deepdiff.

It is loaded by name, when there is a difference to show: loading it takes longer than a plan without changes.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.format.pointers import join
from reconciler.model import Action, Json
from reconciler.planning.masking import MARK

_LONG = 60


def changes(action: Action) -> tuple[str, ...]:
    """Say each difference between what is live and what is declared: ``inputs.lr 0.1 -> 0.2``."""
    found = importlib.import_module("deepdiff").DeepDiff(action.before, action.after, view="tree", verbose_level=2)
    levels = sorted((level for levels in found.values() for level in levels), key=lambda level: level.path())
    return tuple(dict.fromkeys(text for level in levels for text in _change(level, action.touched)))


def _change(level: Any, touched: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    path: list[str | int] = level.path(output_format="list")
    if path[-1:] == [MARK]:
        yield f"{_name(path[:-1])} changed"
    elif files := touched.get(join(*path)):
        yield f"{_name(path)} changed ({_some(files)})"
    elif level.report_type == "dictionary_item_added":
        yield f"{_name(path)} added: {_shown(level.t2)}"
    elif level.report_type == "dictionary_item_removed":
        yield f"{_name(path)} removed"
    elif level.report_type == "iterable_item_added":
        yield f"{_name(path[:-1])}: {_shown(level.t2)} added"
    elif level.report_type == "iterable_item_removed":
        yield f"{_name(path[:-1])}: {_shown(level.t1)} removed"
    else:
        pair = _pair(level.t1, level.t2)
        yield pair if pair.startswith(f"{_name(path)}/") else f"{_name(path)} {pair}"


def _pair(before: Json, after: Json) -> str:
    old, new = _shown(before), _shown(after)
    return "changed" if _is_digest(after) or len(old) + len(new) > _LONG else f"{old} -> {new}"


def _is_digest(value: Json) -> bool:
    return isinstance(value, str) and value.startswith(("blob:", "tree:"))


def _name(path: Sequence[str | int]) -> str:
    """Write a path as a person says it, without places in lists: the ``path`` of an input is the input."""
    parts = path[:-1] if len(path) > 1 and path[-1] == "path" else path
    return ".".join(part for part in parts if isinstance(part, str))


def _shown(value: Json) -> str:
    plain = isinstance(value, str) and value.isprintable()
    text = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _some(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
