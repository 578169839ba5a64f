"""Files MLTable as values: which files a table is read from, and the steps that make it, as far as mlgit can do them.

Jobs get the folder as it is, and read it with the package mltable; `mlgit data head` reads it by this.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.document import Document
from reconciler.format.mltable_filter import FilterError, parse_filter
from reconciler.format.path_patterns import matches_parts
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_against_schema
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

MLTABLE_FILE, MLTABLE_TYPE = "MLTable", "mltable"
_SCHEMA = "mltable"
_UNSUPPORTED_CODE = "mltable-not-supported"
_READERS = frozenset({"read_delimited", "read_parquet", "read_json_lines"})
_STEPS = _READERS | {"keep_columns", "drop_columns", "take", "skip", "filter", "convert_column_types"}
_HINT = "a job that gets the folder reads it with the package mltable"
_SUPPORTED = f"`mlgit data head` knows {', '.join(sorted(_STEPS))}; {_HINT}"
_TYPES = frozenset({"boolean", "float", "string", "int", "datetime"})
_URI_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class TableStep(NamedTuple):
    """A step: its name, its arguments, and where it is; the expression of a filter is parsed (`parse_filter`)."""

    name: str
    arguments: Json
    pointer: str


class TableDefinition(NamedTuple):
    """What a file MLTable says: the entries of its paths, each as ``(form, path, pointer)``, and the steps."""

    document: Document
    paths: tuple[tuple[str, str, str], ...]
    steps: tuple[TableStep, ...]


def check_mltable(document: Document) -> tuple[Diagnostic, ...]:
    """Return what in a file MLTable does not match its schema."""
    return check_against_schema(document, _SCHEMA)


def parse_mltable(path: str, raw: bytes) -> tuple[TableDefinition | None, tuple[Diagnostic, ...]]:
    """Return what a file MLTable says, or None and what is wrong with it or is not supported, at its line."""
    document, diagnostics = parse_yaml(path, raw)
    if not has_errors(diagnostics):
        diagnostics = (*diagnostics, *check_mltable(document))
    if has_errors(diagnostics):
        return None, diagnostics
    problems = tuple(_unsupported(document))
    if problems:
        return None, problems
    return TableDefinition(document, tuple(_paths(document)), tuple(_steps(document))), ()


def _paths(document: Document) -> Iterator[tuple[str, str, str]]:
    for index, entry in enumerate(document.data["paths"]):
        for form, path in entry.items():
            yield form, path if is_uri(path) else posixpath.normpath(path), join_pointer("paths", index, form)


def is_uri(path: str) -> bool:
    """Return True if an entry of the paths is not in the folder of the table."""
    return _URI_SCHEME.match(path) is not None


def _named_steps(document: Document) -> Iterator[tuple[str, Json, str]]:
    for index, step in enumerate(document.data.get("transformations", ())):
        if isinstance(step, str):
            yield step, {}, join_pointer("transformations", index)
        else:
            for name, arguments in step.items():
                yield name, arguments, join_pointer("transformations", index, name)


def _steps(document: Document) -> Iterator[TableStep]:
    for name, arguments, pointer in _named_steps(document):
        yield TableStep(name, parse_filter(arguments) if name == "filter" else arguments, pointer)


def _unsupported(document: Document) -> Iterator[Diagnostic]:
    if "query_source" in document.data:
        yield _diagnostic(document, "/query_source", "a table of a query", _HINT, is_key=True)
        return
    for _, path, pointer in _paths(document):
        if not is_uri(path) and (posixpath.isabs(path) or path.startswith("..")):
            message = "a path outside of the folder of the table"
            yield _diagnostic(document, pointer, message, "only the folder is registered: put the data into it")
    names: list[str] = []
    for name, arguments, pointer in _named_steps(document):
        yield from _unsupported_step(document, names, name, arguments, pointer)
        names.append(name)


def _unsupported_step(
    document: Document, before: Sequence[str], name: str, arguments: Json, pointer: str
) -> Iterator[Diagnostic]:
    if name not in _STEPS:
        yield _diagnostic(document, pointer, name, _SUPPORTED, is_key=True)
    elif name in _READERS:
        if before:
            yield _diagnostic(document, pointer, f"{name} after another step", "read first, and once", is_key=True)
        yield from _unsupported_reader(document, arguments, pointer)
    elif name == "filter":
        try:
            parse_filter(arguments)
        except FilterError as error:
            yield Diagnostic(
                _UNSUPPORTED_CODE, f"the filter cannot be used: {error}", document.value_span(pointer), _HINT
            )
    elif name == "convert_column_types":
        yield from _unsupported_conversions(document, arguments, pointer)
    elif isinstance(arguments, dict):
        yield _diagnostic(document, f"{pointer}/pattern", "a pattern of columns", "write the names of the columns")


def _unsupported_reader(document: Document, arguments: Json, pointer: str) -> Iterator[Diagnostic]:
    delimiter = arguments.get("delimiter", ",")
    if len(delimiter) > 1 and delimiter != "\\t":
        yield _diagnostic(document, f"{pointer}/delimiter", f"the delimiter {delimiter}", "use one character")
    inference = arguments.get("infer_column_types")
    if isinstance(inference, dict):
        place = f"{pointer}/infer_column_types/column_type_overrides"
        yield from _unsupported_conversions(document, inference.get("column_type_overrides", ()), place)


def _unsupported_conversions(document: Document, conversions: Iterable[Json], pointer: str) -> Iterator[Diagnostic]:
    for index, item in enumerate(conversions):
        column_type = item["column_type"]
        name, details = (column_type, {}) if isinstance(column_type, str) else next(iter(column_type.items()))
        if name not in _TYPES or "date_constant" in (details or {}):
            what = f"the type {name}" if name not in _TYPES else "date_constant"
            yield _diagnostic(document, f"{pointer}/{index}/column_type", what, _HINT)
        if isinstance(item["columns"], dict):
            hint = "write the names of the columns"
            yield _diagnostic(document, f"{pointer}/{index}/columns", "a pattern of columns", hint)


def _diagnostic(document: Document, pointer: str, what: str, hint: str, *, is_key: bool = False) -> Diagnostic:
    span = document.key_span(pointer) if is_key else document.value_span(pointer)
    return Diagnostic(_UNSUPPORTED_CODE, f"{what} is not supported by `mlgit data head`", span, hint)


def match_paths(form: str, path: str, files: Iterable[str]) -> list[str]:
    """Return those of the files of a folder that an entry of ``paths`` names, sorted.

    A pattern is matched part by part: ``*`` is within a name, ``**`` any number of folders.
    """
    if form == "file":
        return [name for name in files if name == path]
    if form == "folder":
        return sorted(name for name in files if path == "." or name.startswith(f"{path}/"))
    parts = path.split("/")
    return sorted(name for name in files if matches_parts(name.split("/"), parts))
