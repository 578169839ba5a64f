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
from reconciler.format.pointers import join_pointer
from reconciler.model import Action, Json
from reconciler.secrets.redact import REDACTED_KEY, SECRET_PLACEHOLDER, hide_secrets

FieldPath = list[str | int]
ChangedFiles = Mapping[str, tuple[str, ...]]

_MAX_VALUE_LENGTH = 60
_MAX_PAIR_LENGTH = 2 * _MAX_VALUE_LENGTH + 4
_ITEM_NAME_KEYS = ("name", "id", "key")  # by which the items of a list are told from one another
_CHANGE_TYPES = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "iterable_item_added": "added",
    "iterable_item_removed": "removed",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference: the field as a person names it, how it changed, both sides, and the files behind it.

    ``sort`` is added, removed or changed; ``item`` tells that it is the item of a list that came or went.
    """

    field: str
    change_type: str
    before: Json = None
    after: Json = None
    files: tuple[str, ...] = ()
    is_list_item: bool = False

    def __str__(self) -> str:
        if self.files:
            return f"{self.field} changed ({_join_some(self.files)})"
        if self.is_list_item:
            return f"{self.field}: {_format_quoted_value(self.after if self.change_type == 'added' else self.before)} {self.change_type}"
        if self.change_type != "changed":
            return f"{self.field} {self.change_type}" + (
                f": {_format_quoted_value(self.after)}" if self.change_type == "added" else ""
            )
        return self._format_before_after()

    def _format_before_after(self) -> str:
        if upstream := self.upstream_address:
            old, new = str(self.before).partition("@")[2], str(self.after).partition("@")[2]
            field = "" if upstream.startswith(f"{self.field}/") else f"{self.field} "
            return f"{upstream} changed ({field}{old} -> {new})"
        if _is_digest(self.after):
            return f"{self.field} changed"
        before, after = self.before, self.after
        if (
            len(str(before)) + len(str(after)) > _MAX_VALUE_LENGTH
            and isinstance(before, str)
            and isinstance(after, str)
        ):
            before, after = _differing_words(before, after)
        quotes = _needs_quotes(before) or _needs_quotes(after)
        old, new = _format_quoted_value(before, quotes=quotes), _format_quoted_value(after, quotes=quotes)
        if old == new and not isinstance(before, type(after)):
            old, new = json.dumps(before), json.dumps(after)
        if old == new or len(old) + len(new) > _MAX_PAIR_LENGTH:
            return f"{self.field} changed"
        pair = f"{old} -> {new}"
        return pair if pair.startswith(f"{self.field}/") else f"{self.field} {pair}"

    @property
    def upstream_address(self) -> str:
        """The address of the asset that changed, where the field names one and nothing but its version differs."""
        if not (isinstance(self.before, str) and isinstance(self.after, str)):
            return ""
        (was, _, old), (now, _, new) = self.before.partition("@"), self.after.partition("@")
        return now if was == now and old and new and now.partition("/")[0] in kinds() else ""


def field_changes(action: Action) -> tuple[FieldChange, ...]:
    """Return each difference between what is live and what is declared, as far as it is known yet."""
    if action.before is None:
        return ()
    found = _diff_values([], *_key_lists_by_name(action.before, action.after), action.changed_files)
    known = (change for change in found if action.known_after is None or not _is_unresolved_reference(change.after))
    return tuple({str(change): change for change in known}.values())


def _diff_values(path: FieldPath, before: Json, after: Json, touched: ChangedFiles) -> Iterator[FieldChange]:
    """Yield what differs below a path; mappings are gone through here, lists are left to deepdiff."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            if name in before and name in after:
                yield from _diff_values([*path, name], before[name], after[name], touched)
            else:
                sort = "added" if name in after else "removed"
                yield _make_field_change([*path, name], sort, before.get(name), after.get(name), touched)
    elif repr(before) == repr(after):  # 1, 1.0 and true are three things
        return
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        found = importlib.import_module("deepdiff").DeepDiff(before, after, view="tree", verbose_level=2)
        levels = (level for levels in found.values() for level in levels)
        yield from (
            _change_from_deepdiff(path, level, touched) for level in sorted(levels, key=lambda level: level.path())
        )
    else:
        yield _make_field_change(path, "changed", before, after, touched)


def _change_from_deepdiff(above: FieldPath, level: Any, touched: ChangedFiles) -> FieldChange:
    path: FieldPath = [*above, *level.path(output_format="list")]
    sort = _CHANGE_TYPES.get(level.report_type, "changed")
    if level.report_type.startswith("iterable_item"):
        before, after = (hide_secrets(side, path[:-1]) for side in _deepdiff_sides(level, sort))
        return FieldChange(_format_field_path(path[:-1]), sort, before, after, is_list_item=True)
    return _make_field_change(path, sort, *_deepdiff_sides(level, sort), touched)


def _deepdiff_sides(level: Any, sort: str) -> tuple[Json, Json]:
    return (None if sort == "added" else level.t1), (None if sort == "removed" else level.t2)


def _make_field_change(path: FieldPath, sort: str, before: Json, after: Json, touched: ChangedFiles) -> FieldChange:
    if path[-1:] == [REDACTED_KEY]:
        return FieldChange(_format_field_path(path[:-1]), "changed", SECRET_PLACEHOLDER, SECRET_PLACEHOLDER)
    return FieldChange(
        _format_field_path(path),
        sort,
        hide_secrets(before, path),
        hide_secrets(after, path),
        touched.get(join_pointer(*path), ()),
    )


def _key_lists_by_name(before: Json, after: Json) -> tuple[Json, Json]:
    """Write lists whose items have names as mappings, so that an item is compared with the one of its name."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        both = {name: _key_lists_by_name(before[name], after[name]) for name in before if name in after}
        return (
            {name: both[name][0] if name in both else each for name, each in before.items()},
            {name: both[name][1] if name in both else each for name, each in after.items()},
        )
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        key = next(
            (each for each in _ITEM_NAME_KEYS if _is_unique_key(before, each) and _is_unique_key(after, each)), ""
        )
        if key and before and after:
            return _key_lists_by_name(
                {str(each[key]): each for each in before}, {str(each[key]): each for each in after}
            )
    return before, after


def _is_unique_key(items: Sequence[Json], key: str) -> bool:
    names = [item[key] for item in items if isinstance(item, Mapping) and isinstance(item.get(key), str | int)]
    return len(set(names)) == len(items)


def _is_unresolved_reference(value: Json) -> bool:
    """Tell a mention that is not resolved: what it stands for is known later."""
    return isinstance(value, str) and value.startswith("azureml:")


def _is_digest(value: Json) -> bool:
    return isinstance(value, str) and value.startswith(("blob:", "tree:"))


def _format_field_path(path: Sequence[str | int]) -> str:
    """Write a path as a person says it, without places in lists: the ``path`` of an input is the input."""
    parts = path[:-1] if len(path) > 1 and path[-1] == "path" else path
    return ".".join(part if part.isprintable() else json.dumps(part) for part in parts if isinstance(part, str))


def format_value(value: Json) -> str:
    """Write a value so that it fits a line."""
    plain = isinstance(value, str) and value.isprintable()
    text = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 3]}..."


def _format_quoted_value(value: Json, *, quotes: bool = False) -> str:
    """Write a value inside a sentence: text of several words stands in quotes there."""
    value = (value.partition("/")[2] or value) if _is_digest(value) else value  # of what has a name, that
    text = format_value(value)
    quoted = isinstance(value, str) and value.isprintable() and (quotes or _needs_quotes(value))
    return json.dumps(text, ensure_ascii=False) if quoted else text


def _needs_quotes(value: Json) -> bool:
    """Tell text of several words, or none; what resolves a mention (``job/train@1 outputs/model``) is one thing."""
    if not isinstance(value, str):
        return False
    return not value or (" " in value and value.partition("/")[0] not in kinds())


def _differing_words(before: str, after: str) -> tuple[str, str]:
    """Return of two long texts what differs, with the word before it: ``... --lr 0.1 ...`` and ``... --lr 0.2 ...``."""
    old, new = before.split(), after.split()
    start = _common_prefix_length(old, new)
    end = _common_prefix_length(old[start:][::-1], new[start:][::-1])
    first = max(start - 1, 0)
    ellipsis = "..."
    old, new = (
        [*([ellipsis] if first else []), *words[first : len(words) - end], *([ellipsis] if end else [])]
        for words in (old, new)
    )
    return " ".join(old), " ".join(new)


def _common_prefix_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the words with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _join_some(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
