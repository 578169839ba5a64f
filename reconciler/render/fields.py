"""What differs between two sides of a change, field by field: the home of deepdiff.

Only lists that differ are handed to it, and it is loaded by name, when there is one: loading it takes longer than a
plan without changes.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.format.kinds import kinds
from reconciler.format.pointers import join
from reconciler.model import Action, Json
from reconciler.planning.masking import MARK
from reconciler.render.hiding import SECRET, hidden

Path = list[str | int]
Touched = Mapping[str, tuple[str, ...]]

_LONG = 60
_TOO_LONG = 2 * _LONG + 4
_KEYS = ("name", "id", "key")  # by which the items of a list are told from one another
_REPORTS = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "iterable_item_added": "added",
    "iterable_item_removed": "removed",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: the field as a person names it, how it changed, both sides, and the files behind it.

    ``sort`` is added, removed or changed; ``item`` tells that it is the item of a list that came or went.
    """

    field: str
    sort: str
    before: Json = None
    after: Json = None
    files: tuple[str, ...] = ()
    item: bool = False

    def __str__(self) -> str:
        if self.files:
            return f"{self.field} changed ({_some(self.files)})"
        if self.item:
            return f"{self.field}: {_told(self.after if self.sort == 'added' else self.before)} {self.sort}"
        if self.sort != "changed":
            return f"{self.field} {self.sort}" + (f": {_told(self.after)}" if self.sort == "added" else "")
        return self._pair()

    def _pair(self) -> str:
        if upstream := self.upstream:
            old, new = str(self.before).partition("@")[2], str(self.after).partition("@")[2]
            field = "" if upstream.startswith(f"{self.field}/") else f"{self.field} "
            return f"{upstream} changed ({field}{old} -> {new})"
        if _is_digest(self.after):
            return f"{self.field} changed"
        before, after = self.before, self.after
        if len(str(before)) + len(str(after)) > _LONG and isinstance(before, str) and isinstance(after, str):
            before, after = _apart(before, after)
        quotes = _needs_quotes(before) or _needs_quotes(after)
        old, new = _told(before, quotes=quotes), _told(after, quotes=quotes)
        if old == new and not isinstance(before, type(after)):
            old, new = json.dumps(before), json.dumps(after)
        if old == new or len(old) + len(new) > _TOO_LONG:
            return f"{self.field} changed"
        pair = f"{old} -> {new}"
        return pair if pair.startswith(f"{self.field}/") else f"{self.field} {pair}"

    @property
    def upstream(self) -> str:
        """The address of the asset that changed, where the field names one and nothing but its version differs."""
        if not (isinstance(self.before, str) and isinstance(self.after, str)):
            return ""
        (was, _, old), (now, _, new) = self.before.partition("@"), self.after.partition("@")
        return now if was == now and old and new and now.partition("/")[0] in kinds() else ""


def changes(action: Action) -> tuple[Change, ...]:
    """Return each difference between what is live and what is declared, as far as it is known yet."""
    if action.before is None:
        return ()
    found = _differences([], *_keyed(action.before, action.after), action.touched)
    known = (each for each in found if action.known_after is None or not _is_mention(each.after))
    return tuple({str(each): each for each in known}.values())


def _differences(path: Path, before: Json, after: Json, touched: Touched) -> Iterator[Change]:
    """Yield what differs below a path; mappings are gone through here, lists are left to deepdiff."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            if name in before and name in after:
                yield from _differences([*path, name], before[name], after[name], touched)
            else:
                sort = "added" if name in after else "removed"
                yield _change([*path, name], sort, before.get(name), after.get(name), touched)
    elif repr(before) == repr(after):  # 1, 1.0 and true are three things
        return
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        found = importlib.import_module("deepdiff").DeepDiff(before, after, view="tree", verbose_level=2)
        levels = (level for levels in found.values() for level in levels)
        yield from (_of_level(path, level, touched) for level in sorted(levels, key=lambda level: level.path()))
    else:
        yield _change(path, "changed", before, after, touched)


def _of_level(above: Path, level: Any, touched: Touched) -> Change:
    path: Path = [*above, *level.path(output_format="list")]
    sort = _REPORTS.get(level.report_type, "changed")
    if level.report_type.startswith("iterable_item"):
        before, after = (hidden(each, path[:-1]) for each in _sides(level, sort))
        return Change(_name(path[:-1]), sort, before, after, item=True)
    return _change(path, sort, *_sides(level, sort), touched)


def _sides(level: Any, sort: str) -> tuple[Json, Json]:
    return (None if sort == "added" else level.t1), (None if sort == "removed" else level.t2)


def _change(path: Path, sort: str, before: Json, after: Json, touched: Touched) -> Change:
    if path[-1:] == [MARK]:
        return Change(_name(path[:-1]), "changed", SECRET, SECRET)
    return Change(_name(path), sort, hidden(before, path), hidden(after, path), touched.get(join(*path), ()))


def _keyed(before: Json, after: Json) -> tuple[Json, Json]:
    """Write lists whose items have names as mappings, so that an item is compared with the one of its name."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        both = {name: _keyed(before[name], after[name]) for name in before if name in after}
        return (
            {name: both[name][0] if name in both else each for name, each in before.items()},
            {name: both[name][1] if name in both else each for name, each in after.items()},
        )
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        key = next((each for each in _KEYS if _names(before, each) and _names(after, each)), "")
        if key and before and after:
            return _keyed({str(each[key]): each for each in before}, {str(each[key]): each for each in after})
    return before, after


def _names(items: Sequence[Json], key: str) -> bool:
    names = [each[key] for each in items if isinstance(each, Mapping) and isinstance(each.get(key), str | int)]
    return len(set(names)) == len(items)


def _is_mention(value: Json) -> bool:
    """Tell a mention that is not resolved: what it stands for is known later."""
    return isinstance(value, str) and value.startswith("azureml:")


def _is_digest(value: Json) -> bool:
    return isinstance(value, str) and value.startswith(("blob:", "tree:"))


def _name(path: Sequence[str | int]) -> str:
    """Write a path as a person says it, without places in lists: the ``path`` of an input is the input."""
    parts = path[:-1] if len(path) > 1 and path[-1] == "path" else path
    return ".".join(part if part.isprintable() else json.dumps(part) for part in parts if isinstance(part, str))


def shown(value: Json) -> str:
    """Write a value so that it fits a line."""
    plain = isinstance(value, str) and value.isprintable()
    text = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _told(value: Json, *, quotes: bool = False) -> str:
    """Write a value inside a sentence: text of several words stands in quotes there."""
    value = (value.partition("/")[2] or value) if _is_digest(value) else value  # of what has a name, that
    text = shown(value)
    quoted = isinstance(value, str) and value.isprintable() and (quotes or _needs_quotes(value))
    return json.dumps(text, ensure_ascii=False) if quoted else text


def _needs_quotes(value: Json) -> bool:
    """Tell text of several words, or none; what resolves a mention (``job/train@1 outputs/model``) is one thing."""
    if not isinstance(value, str):
        return False
    return not value or (" " in value and value.partition("/")[0] not in kinds())


def _apart(before: str, after: str) -> tuple[str, str]:
    """Return of two long texts what differs, with the word before it: ``... --lr 0.1 ...`` and ``... --lr 0.2 ...``."""
    old, new = before.split(), after.split()
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    first = max(start - 1, 0)
    ellipsis = "..."
    old, new = (
        [*([ellipsis] if first else []), *words[first : len(words) - end], *([ellipsis] if end else [])]
        for words in (old, new)
    )
    return " ".join(old), " ".join(new)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the words with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _some(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
