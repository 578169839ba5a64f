"""The fields that differ between the two sides of a change. The only module that uses deepdiff.

deepdiff is loaded by name, and only if two lists differ: loading it takes longer than a plan without changes.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from reconciler.abbreviation import join_some
from reconciler.format.kinds import kinds
from reconciler.format.pointers import join_pointer
from reconciler.model import Action, Json
from reconciler.secrets.redact import REDACTED_KEY, SECRET_PLACEHOLDER, hide_secrets, mask_json_secrets, secret_values

FieldPath = list[str | int]
ChangedFiles = Mapping[str, tuple[str, ...]]

_MAX_VALUE_LENGTH = 60
_MAX_PAIR_LENGTH = 2 * _MAX_VALUE_LENGTH + 4
_ELLIPSIS = "..."
_ITEM_NAME_KEYS = ("name", "id", "key")  # the keys that identify the items of a list
_CHANGE_TYPES = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "iterable_item_added": "added",
    "iterable_item_removed": "removed",
}


class FieldChange(NamedTuple):
    """One difference: the field as a person names it, how it changed, both sides, and the files behind it.

    ``change_type`` is added, removed or changed; ``is_list_item`` is True for an item that a list gained or lost.
    """

    field: str
    change_type: str
    before: Json = None
    after: Json = None
    files: tuple[str, ...] = ()
    is_list_item: bool = False

    def __str__(self) -> str:
        if self.files:
            return f"{self.field} changed ({join_some(self.files)})"
        if self.is_list_item:
            item = self.after if self.change_type == "added" else self.before
            return f"{self.field}: {_format_quoted_value(item)} {self.change_type}"
        if self.change_type == "added" and is_digest(self.after):
            return f"{self.field} added"
        if self.change_type == "added":
            return f"{self.field} added: {_format_quoted_value(self.after)}"
        if self.change_type == "removed":
            return f"{self.field} removed"
        return self._format_before_after()

    def _format_before_after(self) -> str:
        if upstream := self.upstream_address:
            old, new = str(self.before).partition("@")[2], str(self.after).partition("@")[2]
            field = "" if upstream.startswith(f"{self.field}/") else f"{self.field} "
            return f"{upstream} changed ({field}{old} -> {new})"
        pair = None if is_digest(self.after) else _format_pair(self.before, self.after)
        if pair is None:
            return f"{self.field} changed"
        return pair if pair.startswith(f"{self.field}/") else f"{self.field} {pair}"

    @property
    def upstream_address(self) -> str:
        """The address of the asset that changed, if the field names one and only its version differs; else ""."""
        if not (isinstance(self.before, str) and isinstance(self.after, str)):
            return ""
        (old, _, old_version), (new, _, new_version) = self.before.partition("@"), self.after.partition("@")
        is_reference = old == new and old_version and new_version and new.partition("/")[0] in kinds()
        return new if is_reference else ""


def field_changes(action: Action) -> tuple[FieldChange, ...]:
    """Return the differences between what is live and what is declared, as far as they are known yet."""
    if action.before is None:
        return ()
    changes = diff_fields(action.before, action.after, action.changed_files, _secrets_of(action))
    if action.known_after is None:
        return changes
    return tuple(change for change in changes if not _is_unresolved_reference(change.after))


def _secrets_of(action: Action) -> frozenset[str]:
    """Return the secrets of the whole spec, live and declared: either side of an action may be a part of it."""
    specs = [action.record.spec if action.record else {}, action.resolved.asset.spec if action.resolved else {}]
    return secret_values(specs)


def diff_fields(
    before: Json, after: Json, changed_files: ChangedFiles, other_secrets: AbstractSet[str] = frozenset()
) -> tuple[FieldChange, ...]:
    """Return the fields that differ; ``changed_files`` are the files behind a field, by its JSON pointer.

    No value of a secret on either side, and none of ``other_secrets``, is in the result.
    """
    values = secret_values(before) | secret_values(after)
    changes = [
        change._replace(
            before=mask_json_secrets(change.before, values | other_secrets),
            after=mask_json_secrets(change.after, values | other_secrets),
        )
        for change in _diff_values([], *_key_lists_by_name(before, after), changed_files)
    ]
    return tuple({str(change): change for change in changes}.values())


def _diff_values(path: FieldPath, before: Json, after: Json, changed_files: ChangedFiles) -> Iterator[FieldChange]:
    """Yield what differs below a path. deepdiff compares lists only."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            if name in before and name in after:
                yield from _diff_values([*path, name], before[name], after[name], changed_files)
            else:
                change_type = "added" if name in after else "removed"
                yield _make_field_change([*path, name], change_type, before.get(name), after.get(name), changed_files)
    elif repr(before) == repr(after):  # tells 1, 1.0 and true apart
        return
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        differences = importlib.import_module("deepdiff").DeepDiff(before, after, view="tree", verbose_level=2)
        levels = [level for levels in differences.values() for level in levels]
        for level in sorted(levels, key=lambda level: level.path()):
            yield _change_from_deepdiff(path, level, changed_files)
    else:
        yield _make_field_change(path, "changed", before, after, changed_files)


def _change_from_deepdiff(parent: FieldPath, level: Any, changed_files: ChangedFiles) -> FieldChange:
    path: FieldPath = [*parent, *level.path(output_format="list")]
    change_type = _CHANGE_TYPES.get(level.report_type, "changed")
    before = None if change_type == "added" else level.t1
    after = None if change_type == "removed" else level.t2
    if level.report_type.startswith("iterable_item"):
        before, after = (hide_secrets(side, path[:-1]) for side in (before, after))
        return FieldChange(_format_field_path(path[:-1]), change_type, before, after, is_list_item=True)
    return _make_field_change(path, change_type, before, after, changed_files)


def _make_field_change(
    path: FieldPath, change_type: str, before: Json, after: Json, changed_files: ChangedFiles
) -> FieldChange:
    if path[-1:] == [REDACTED_KEY]:
        return FieldChange(_format_field_path(path[:-1]), "changed", SECRET_PLACEHOLDER, SECRET_PLACEHOLDER)
    return FieldChange(
        _format_field_path(path),
        change_type,
        hide_secrets(before, path),
        hide_secrets(after, path),
        changed_files.get(join_pointer(*path), ()),
    )


def _key_lists_by_name(before: Json, after: Json) -> tuple[Json, Json]:
    """Return lists with named items as mappings, so that an item is compared with the one of the same name."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = {name: _key_lists_by_name(before[name], after[name]) for name in before if name in after}
        return (
            {name: pairs[name][0] if name in pairs else value for name, value in before.items()},
            {name: pairs[name][1] if name in pairs else value for name, value in after.items()},
        )
    if isinstance(before, list | tuple) and isinstance(after, list | tuple) and before and after:
        key = next((key for key in _ITEM_NAME_KEYS if _is_unique_key(before, key) and _is_unique_key(after, key)), "")
        if key:
            return _key_lists_by_name(
                {str(item[key]): item for item in before}, {str(item[key]): item for item in after}
            )
    return before, after


def _is_unique_key(items: Sequence[Json], key: str) -> bool:
    names = [item[key] for item in items if isinstance(item, Mapping) and isinstance(item.get(key), str | int)]
    return len(set(names)) == len(items)


def _is_unresolved_reference(value: Json) -> bool:
    """Return True for a reference whose target is known later."""
    return isinstance(value, str) and value.startswith("azureml:")


def is_digest(value: Json) -> bool:
    """Return True for the name of a content, which tells a person nothing."""
    return isinstance(value, str) and value.startswith(("blob:", "tree:"))


def _format_field_path(path: Sequence[str | int]) -> str:
    """Return a path with dots, without list indexes; the ``path`` of an input is written as the input."""
    parts = path[:-1] if len(path) > 1 and path[-1] == "path" else path
    return ".".join(part if part.isprintable() else json.dumps(part) for part in parts if isinstance(part, str))


def format_value(value: Json) -> str:
    """Return a value as text that fits a line."""
    plain = isinstance(value, str) and value.isprintable()
    text = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 3]}..."


def _format_pair(before: Json, after: Json) -> str | None:
    """Return ``before -> after``, or None if that is too long or both sides look the same."""
    is_long = len(str(before)) + len(str(after)) > _MAX_VALUE_LENGTH
    if is_long and isinstance(before, str) and isinstance(after, str):
        before, after = _differing_words(before, after)
    quotes = _needs_quotes(before) or _needs_quotes(after)
    old, new = _format_quoted_value(before, quotes=quotes), _format_quoted_value(after, quotes=quotes)
    if old == new and not isinstance(before, type(after)):
        old, new = json.dumps(before), json.dumps(after)
    return None if old == new or len(old) + len(new) > _MAX_PAIR_LENGTH else f"{old} -> {new}"


def _format_quoted_value(value: Json, *, quotes: bool = False) -> str:
    """Return a value for use in a sentence: text of several words is quoted, a digest shows only its name."""
    value = (value.partition("/")[2] or value) if is_digest(value) else value
    text = format_value(value)
    quoted = isinstance(value, str) and value.isprintable() and (quotes or _needs_quotes(value))
    return json.dumps(text, ensure_ascii=False) if quoted else text


def _needs_quotes(value: Json) -> bool:
    """Return True for empty text and text of several words, but not for ``job/train@1 outputs/model``."""
    if not isinstance(value, str):
        return False
    return not value or (" " in value and value.partition("/")[0] not in kinds())


def _differing_words(before: str, after: str) -> tuple[str, str]:
    """Return what differs in two long texts, with the word before it: ``... --lr 0.1 ...``, ``... --lr 0.2 ...``."""
    old, new = before.split(), after.split()
    start = _common_prefix_length(old, new)
    end = _common_prefix_length(old[start:][::-1], new[start:][::-1])
    first = max(start - 1, 0)
    prefix, suffix = [_ELLIPSIS] if first else [], [_ELLIPSIS] if end else []
    old, new = ([*prefix, *words[first : len(words) - end], *suffix] for words in (old, new))
    return " ".join(old), " ".join(new)


def _common_prefix_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the number of words with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (first, second) in pairs if first != second), min(len(one), len(other)))
