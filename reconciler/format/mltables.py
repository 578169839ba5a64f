"""Files MLTable as values: which files a table is read from, and the steps that make it, as far as mlgit can do them.

Jobs get the folder as it is, and read it with the package mltable; `mlgit data head` reads it by this, and a parallel
step divides it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Diagnostic, has_errors, user_error
from reconciler.format.document import Document
from reconciler.format.mltable_filter import FilterError, parse_filter
from reconciler.format.path_patterns import matches_parts
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_against_schema
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

MLTABLE_FILE, MLTABLE_TYPE = "MLTable", "mltable"
_SCHEMA = "mltable"
_UNSUPPORTED_CODE = "mltable-not-supported"
READ_STEPS = frozenset({"read_delimited", "read_parquet", "read_json_lines"})
_STEPS = READ_STEPS | {"keep_columns", "drop_columns", "take", "skip", "filter", "convert_column_types"}
_HINT = "a job that gets the folder reads it with the package mltable"
_NAMES_HINT = "write the names of the columns"
EXTRACT_STEP = "extract_columns_from_partition_format"
_TYPES = frozenset({"boolean", "float", "string", "int", "datetime"})
_URI_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class TableReader(NamedTuple):
    """What reads tables of such files, as a message names it, and the steps that it can do."""

    name: str
    steps: frozenset[str]


HEAD_READER = TableReader("`mlgit data head`", _STEPS)
PARALLEL_READER = TableReader("a parallel step by itself", _STEPS - {"filter"} | {EXTRACT_STEP})


class TableStep(NamedTuple):
    """A step: its name, its arguments, and where it is; the expression of a filter can be parsed (`parse_filter`)."""

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
    definition, diagnostics = read_mltable(path, raw)
    problems = tuple(find_unsupported(definition, HEAD_READER)) if definition else diagnostics
    if definition is None or problems:
        return None, problems
    steps = (
        step._replace(arguments=parse_filter(step.arguments)) if step.name == "filter" else step
        for step in definition.steps
    )
    return definition._replace(steps=tuple(steps)), ()


def read_mltable(path: str, raw: bytes) -> tuple[TableDefinition | None, tuple[Diagnostic, ...]]:
    """Return what a file MLTable says, whatever can read it, or None and what is wrong with it, at its line."""
    document, diagnostics = parse_yaml(path, raw)
    if not has_errors(diagnostics):
        diagnostics = (*diagnostics, *check_mltable(document))
    if has_errors(diagnostics):
        return None, diagnostics
    return TableDefinition(document, tuple(_paths(document)), tuple(_steps(document))), ()


def _paths(document: Document) -> Iterator[tuple[str, str, str]]:
    for index, entry in enumerate(document.data.get("paths", ())):
        for form, path in entry.items():
            yield form, path if is_uri(path) else posixpath.normpath(path), join_pointer("paths", index, form)


def is_uri(path: str) -> bool:
    """Return True if an entry of the paths is not in the folder of the table."""
    return _URI_SCHEME.match(path) is not None


def _steps(document: Document) -> Iterator[TableStep]:
    for index, step in enumerate(document.data.get("transformations", ())):
        if isinstance(step, str):
            yield TableStep(step, {}, join_pointer("transformations", index))
        else:
            for name, arguments in step.items():
                yield TableStep(name, arguments, join_pointer("transformations", index, name))


class _Unsupported(NamedTuple):
    """What cannot be done, or the whole ``message``, and where it is."""

    pointer: str
    what: str
    hint: str = _HINT
    is_key: bool = False
    message: str = ""


def find_unsupported(definition: TableDefinition, reader: TableReader) -> Iterator[Diagnostic]:
    """Yield what of a table a reader cannot do, at its line."""
    document = definition.document
    for item in (*_unsupported_places(definition), *_unsupported_steps(definition, reader)):
        message = item.message or f"{item.what} is not supported by {reader.name}"
        span = document.key_span(item.pointer) if item.is_key else document.value_span(item.pointer)
        yield Diagnostic(_UNSUPPORTED_CODE, message, span, item.hint)


def _unsupported_places(definition: TableDefinition) -> Iterator[_Unsupported]:
    if "query_source" in definition.document.data:
        yield _Unsupported("/query_source", "a table of a query", is_key=True)
    for _, path, pointer in definition.paths:
        if not is_uri(path) and (posixpath.isabs(path) or path.startswith("..")):
            what = "a path outside of the folder of the table"
            yield _Unsupported(pointer, what, "only the folder is registered: put the data into it")


def _unsupported_steps(definition: TableDefinition, reader: TableReader) -> Iterator[_Unsupported]:
    for index, step in enumerate(definition.steps):
        if step.name not in reader.steps:
            hint = f"{reader.name} knows {', '.join(sorted(reader.steps))}; {_HINT}"
            yield _Unsupported(step.pointer, step.name, hint, is_key=True)
        elif step.name in READ_STEPS and index:
            yield _Unsupported(step.pointer, f"{step.name} after another step", "read first, and once", is_key=True)
        else:
            yield from _unsupported_arguments(step)


def _unsupported_arguments(step: TableStep) -> Iterator[_Unsupported]:
    arguments, pointer = step.arguments, step.pointer
    if step.name in READ_STEPS:
        yield from _unsupported_reader(arguments, pointer)
    elif step.name == "filter":
        try:
            parse_filter(arguments)
        except FilterError as error:
            yield _Unsupported(pointer, "", message=f"the filter cannot be used: {error}")
    elif step.name == "convert_column_types":
        yield from _unsupported_conversions(arguments, pointer)
    elif step.name in ("keep_columns", "drop_columns") and isinstance(arguments, dict):
        yield _Unsupported(f"{pointer}/pattern", "a pattern of columns", _NAMES_HINT)


def _unsupported_reader(arguments: Json, pointer: str) -> Iterator[_Unsupported]:
    delimiter = arguments.get("delimiter", ",")
    if len(delimiter) > 1 and delimiter != "\\t":
        yield _Unsupported(f"{pointer}/delimiter", f"the delimiter {delimiter}", "use one character")
    inference = arguments.get("infer_column_types")
    if isinstance(inference, dict):
        place = f"{pointer}/infer_column_types/column_type_overrides"
        yield from _unsupported_conversions(inference.get("column_type_overrides", ()), place)


def _unsupported_conversions(conversions: Iterable[Json], pointer: str) -> Iterator[_Unsupported]:
    for index, item in enumerate(conversions):
        column_type = item["column_type"]
        name, details = (column_type, {}) if isinstance(column_type, str) else next(iter(column_type.items()))
        if name not in _TYPES or "date_constant" in (details or {}):
            what = f"the type {name}" if name not in _TYPES else "date_constant"
            yield _Unsupported(f"{pointer}/{index}/column_type", what)
        if isinstance(item["columns"], dict):
            yield _Unsupported(f"{pointer}/{index}/columns", "a pattern of columns", _NAMES_HINT)


def find_table_files(definition: TableDefinition, entry: tuple[str, str, str], inside: Sequence[str]) -> list[str]:
    """Return the files of the folder that an entry of the paths names. Raises UserError at its line for none."""
    form, path, pointer = entry
    matching = match_paths(form, path, inside)
    if not matching:
        hint = did_you_mean(path, inside) or f"files beside it: {join_some(inside) or 'none'}"
        message = f"no file of the table is at {path}"
        raise user_error("path-missing", message, hint, definition.document.value_span(pointer))
    return matching


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
