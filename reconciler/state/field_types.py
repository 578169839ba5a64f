"""The types of the fields of records, runs and steps, checked when these are read: what has other types was damaged.

So nothing else has to expect any JSON in a record: not in the fields, nor in what is nested in them and is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import UnionType
from typing import TypeVar

from reconciler.model import Json, Record, Run
from reconciler.model.step_runs import StepRun

_FIELD_TYPES: Mapping[str, type | UnionType] = {
    "str": str,
    "int": int,
    "bool": bool,
    "Spec": Mapping,
    "Mapping": Mapping,
    "tuple": tuple,
    "int | None": int | None,
    "float | None": int | float | None,
}
_ITEM_TYPES = {"contents": str, "unfinished": str, "formerly": str, "outputs": Mapping, "needs": str}
_CONTENT_TYPES = {"md5": str, "sha256": str, "size": int, "files": int}
_OPTIONAL_TYPES = {
    "realised": {"contents": Mapping, "backend": str, "environment": str, "store": str, "downloads": Mapping},
    "lineage": {"commit": str, "job": str, "run": str, "used": Mapping},
}
_STORE_KEY = re.compile(r"[0-9a-f]{32}(?:\.dir)?")  # it becomes a path in the store
# A run's id and token become the names of a folder and a file of its backend.
_FILE_NAME = re.compile(r"(?!\.{1,2}\Z)[^/\0]{1,255}")
_T = TypeVar("_T", Record, Run, StepRun)


def check_field_types(value: _T) -> _T:
    """Return a record, a run or a step; raise TypeError or ValueError if a field has another type than declared."""
    for field in fields(value):
        content = getattr(value, field.name)
        _check_type(content, _FIELD_TYPES.get(str(field.type).partition("[")[0]), field.name)
        if content and field.name in _ITEM_TYPES:
            _check_items(content, _ITEM_TYPES[field.name], field.name)
        if content and field.name in _OPTIONAL_TYPES:
            _check_optional(content, _OPTIONAL_TYPES[field.name])
    if not isinstance(value, StepRun):
        for name in ("contents", "downloads"):
            check_contents(value.realised.get(name, {}).values())
    if not isinstance(value, Record):
        names = (value.id, value.token) if isinstance(value, Run) else filter(None, (value.run, value.token))
        _check_file_names(*names)
        check_contents(output for output in value.outputs.values() if "md5" in output)
    return value


def check_step(value: StepRun) -> StepRun:
    """Return a step; raise TypeError or ValueError if it has a field or a metric that no mlgit has written."""
    for number in check_field_types(value).metrics.values():
        float(number)  # NaN is a string
    return value


def _check_type(content: object, expected: type | UnionType | None, name: str) -> None:
    if expected and (not isinstance(content, expected) or (expected is int and isinstance(content, bool))):
        raise TypeError(name)


def _check_items(content: Mapping[str, Json] | tuple[Json, ...], expected: type, name: str) -> None:
    for item in content.values() if isinstance(content, Mapping) else content:
        _check_type(item, expected, name)


def _check_optional(content: Mapping[str, Json], types: Mapping[str, type]) -> None:
    for name in types.keys() & content.keys():
        _check_type(content[name], types[name], name)


def _check_file_names(*names: str) -> None:
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(name)


def check_contents(contents: Iterable[Json]) -> None:
    """Check descriptions of contents of the store."""
    for content in contents:
        _check_type(content, Mapping, "contents")
        for name, expected in _CONTENT_TYPES.items():
            _check_type(content[name], expected, name)
        _check_type(content.get("name", ""), str, "name")
        if not _STORE_KEY.fullmatch(content["md5"]):
            raise ValueError(content["md5"])
