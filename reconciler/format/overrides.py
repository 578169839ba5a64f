"""Values that the option ``--set PATH=VALUE`` gives to a document, as ``az ml job create --set`` does.

A path is keys with dots between them, and ``[0]`` for an entry of a list; ``\\.`` is a dot in a key. A value is JSON,
or else text. The document with the values is checked as its file is (``format.overridden_document``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from reconciler.diagnostics import SET_OPTION, Diagnostic, option_span
from reconciler.format.pointers import join_pointer
from reconciler.format.rules.secrets import find_known_secrets
from reconciler.model import Json
from reconciler.secrets.fields import ENVIRONMENT_VARIABLES_FIELD, is_secret_at
from reconciler.secrets.redact import SECRET_PLACEHOLDER, mask_secrets, secret_values
from reconciler.secrets.source_lines import mask_source_line

_STEP = re.compile(r"(?:\A|\.)((?:\\.|[^.\[\]\\])+)|\[(\d{1,9})\]")
# Fields that say what a file declares, and what to do instead of setting them.
_FIXED_FIELDS = {"$schema": "edit the file", "name": "edit the file, or use `mlgit run FILE --name NAME`"}
_MAX_SHOWN_LENGTH = 60  # of a value in a place
_MAX_DEPTH = 50  # of a value; a file may be nested twice as deep
_NON_TEXT_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_FORM_HINT = "write --set PATH=VALUE, such as --set inputs.lr=0.3"


class Override(NamedTuple):
    """One option: its path as keys and indices, its value, the value as it was typed, and that without secrets."""

    keys: tuple[str | int, ...]
    value: Json
    text: str
    shown: str

    @property
    def pointer(self) -> str:
        """The JSON pointer of the value."""
        return join_pointer(*self.keys)

    @property
    def place(self) -> str:
        """The option as messages show it."""
        return f"{SET_OPTION} {format_path(self.keys)}={_shorten(self.shown)}"


class OverrideError(Exception):
    """What is wrong with an option, with a hint."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint

    def to_diagnostic(self, place: str) -> Diagnostic:
        """Return the diagnostic at an option."""
        return Diagnostic(self.code, self.message, option_span(place), self.hint)


def format_path(keys: Iterable[str | int]) -> str:
    """Return keys and indices as a path of the option."""
    parts = (f"[{key}]" if isinstance(key, int) else "." + re.sub(r"([.\[\]\\])", r"\\\1", key) for key in keys)
    return "".join(parts).removeprefix(".")


def format_options(options: Iterable[str]) -> tuple[str, ...]:
    """Return options as a command shows them: short, and without secrets."""
    return tuple(_parse_or_quote(option).removeprefix(f"{SET_OPTION} ") for option in options)


def override_data(data: Json, options: Iterable[str]) -> tuple[Json, tuple[Diagnostic, ...]]:
    """Return the data of a document with the values of options, and what is wrong with the options."""
    overrides, diagnostics = parse_options(options)
    data, conflicts = set_values(data, overrides)
    return data, (*diagnostics, *conflicts)


def parse_option(option: str) -> Override:
    """Return an option ``PATH=VALUE`` parsed; raise OverrideError if it is malformed."""
    path, equals, text = option.partition("=")
    if not equals:
        raise OverrideError("set-malformed", "there is no = between a path and a value", _FORM_HINT)
    keys = _parse_path(path.strip())
    if keys[0] in _FIXED_FIELDS:
        message = f"{keys[0]} says what the file declares, and cannot be set"
        raise OverrideError("set-path", message, _FIXED_FIELDS[str(keys[0])])
    if _NON_TEXT_CHARACTER.search(option):
        raise OverrideError("set-malformed", "the value has a character that no file can have", "remove it")
    value = _parse_value(keys, text)
    return Override(keys, value, text, _mask_value(keys, value, text))


def _mask_value(keys: tuple[str | int, ...], value: Json, text: str) -> str:
    if any(is_secret_at(keys[:end]) for end in range(1, len(keys) + 1)) or any(find_known_secrets(text)):
        return SECRET_PLACEHOLDER
    return mask_secrets(mask_source_line(text, frozenset()), secret_values(value, keys))


def _parse_path(path: str) -> tuple[str | int, ...]:
    keys: list[str | int] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None or (step[2] and not keys):
            break
        keys.append(int(step[2]) if step[2] else re.sub(r"\\(.)", r"\1", step[1]))
        position = step.end()
    if len(keys) > _MAX_DEPTH:
        message = f"the path has {len(keys)} steps, and a file is not nested more than {_MAX_DEPTH} levels deep"
        raise OverrideError("set-malformed", message, _FORM_HINT)
    if not keys or position < len(path):
        message = (
            f"{path or 'nothing'} is not a path: it is keys with dots between them, and [0] for an entry of a list"
        )
        raise OverrideError("set-malformed", message, _FORM_HINT)
    return tuple(keys)


def _parse_value(keys: tuple[str | int, ...], text: str) -> Json:
    """Return a value as JSON, else as text. A variable of the environment is text, however it looks."""
    stripped = text.strip()
    try:
        value = json.loads(stripped, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if stripped[:1] in {"{", "["}:
            hint = 'quote it for the shell: --set \'tags={"stage": "test"}\'; for text, put it in "..."'
            raise OverrideError("set-malformed", "the value begins as JSON, and is not valid JSON", hint) from error
        is_quoted = len(stripped) > 1 and stripped[0] == stripped[-1] == "'" and stripped.count("'") == 2  # noqa: PLR2004
        return stripped[1:-1] if is_quoted else text
    if not _is_storable(value):
        message = f"the value is nested more than {_MAX_DEPTH} levels deep, or has a character that no file can have"
        raise OverrideError("set-malformed", message, "write it into the file")
    is_variable = len(keys) > 1 and keys[-2] == ENVIRONMENT_VARIABLES_FIELD
    return text if is_variable and not isinstance(value, str) and str(value) != stripped else value


def _refuse_constant(name: str) -> Json:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _is_storable(value: Json) -> bool:
    """Return True if a file could have the value."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        mappings = [item for item in level if isinstance(item, dict)]
        texts = [item for item in level if isinstance(item, str)]
        if any(_NON_TEXT_CHARACTER.search(text) for text in chain(texts, *mappings)):
            return False
        lists = (item for item in level if isinstance(item, list))
        level = list(chain(*(mapping.values() for mapping in mappings), *lists))
    return not level


def parse_options(options: Iterable[str]) -> tuple[tuple[Override, ...], tuple[Diagnostic, ...]]:
    """Return options parsed, and what is wrong with the malformed ones."""
    overrides: list[Override] = []
    diagnostics: list[Diagnostic] = []
    for option in options:
        try:
            overrides.append(parse_option(option))
        except OverrideError as error:
            diagnostics.append(error.to_diagnostic(f"{SET_OPTION} {_show_malformed(option)}"))
    return tuple(overrides), tuple(diagnostics)


def _parse_or_quote(option: str) -> str:
    try:
        return parse_option(option).place
    except OverrideError:
        return _show_malformed(option)


def _show_malformed(option: str) -> str:
    return SECRET_PLACEHOLDER if any(find_known_secrets(option)) else _shorten(mask_source_line(option, frozenset()))


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[: _MAX_SHOWN_LENGTH - 3]}..."


def set_values(data: Json, overrides: Iterable[Override]) -> tuple[Json, tuple[Diagnostic, ...]]:
    """Return data with values set, and which of them have no place in it."""
    conflicts: list[Diagnostic] = []
    for override in overrides:
        try:
            data = _set_value(data, override.keys, 0, override.value)
        except OverrideError as error:
            conflicts.append(error.to_diagnostic(override.place))
    return data, tuple(conflicts)


def _set_value(parent: Json, keys: tuple[str | int, ...], depth: int, value: Json) -> Json:
    """Return a copy of what is at the first ``depth`` keys, with the value at all keys set."""
    if depth == len(keys):
        return value
    key = keys[depth]
    if isinstance(parent, list):
        index = _list_index(parent, keys, depth)
        return [*parent[:index], _set_value(parent[index], keys, depth + 1, value), *parent[index + 1 :]]
    if isinstance(parent, Mapping) or (parent is None and isinstance(key, str)):
        fields = parent or {}
        if isinstance(key, int):
            raise OverrideError(
                "set-path", f"{format_path(keys[:depth])} is a mapping, and has no [{key}]", _names(fields)
            )
        return {**fields, key: _set_value(fields.get(key), keys, depth + 1, value)}
    path = format_path(keys[:depth])
    shown = "not set" if parent is None else _shorten(json.dumps(parent, ensure_ascii=False))
    raise OverrideError("set-path", f"{path} is {shown}, and has nothing below it", f"set {path} as a whole")


def _list_index(entries: Sequence[Json], keys: tuple[str | int, ...], depth: int) -> int:
    key, path = keys[depth], format_path(keys[:depth])
    if isinstance(key, str) and not (key.isascii() and key.isdigit()):
        raise OverrideError("set-path", f"{path} is a list, and has no {key}", f"write {path}[0] for its first entry")
    if int(key) >= len(entries):
        message = f"{path} has no [{key}]: it has {len(entries)} entries, counted from 0"
        raise OverrideError("set-path", message, f"set {path} as a whole to make it longer")
    return int(key)


def _names(fields: Mapping[str, Json]) -> str:
    return f"it has {', '.join(fields)}" if fields else ""
