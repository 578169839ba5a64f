"""Tables that a parallel step divides: into rows or files, and what of a file MLTable it cannot do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.mltables import EXTRACT_STEP, PARALLEL_READER, TableDefinition, find_unsupported, is_uri

_CODE = "mltable-not-supported"
_FILE_MODES = frozenset({"ro_mount", "rw_mount", "download", "upload"})
_COLUMN_STEPS = frozenset({EXTRACT_STEP, "keep_columns", "drop_columns", "convert_column_types"})


def lists_files(mode: str) -> bool:
    """Return True for a mode of an input in which a table is the list of its files, as on Azure ML."""
    return mode.lower() in _FILE_MODES


def has_reader(definition: TableDefinition) -> bool:
    """Return True for a table that has rows."""
    return any(step.name.startswith("read_") for step in definition.steps)


def find_undivided(definition: TableDefinition, *, has_rows: bool) -> Iterator[Diagnostic]:
    """Yield what of a table no parallel step can do, at its line."""
    document = definition.document
    for _, path, pointer in definition.paths:
        if is_uri(path):
            message, hint = f"{path} is not brought to a parallel step", "put the data into the folder of the table"
            yield Diagnostic(_CODE, message, document.value_span(pointer), hint)
    if not has_reader(definition):
        for step in definition.steps:
            if step.name not in _COLUMN_STEPS:
                message = f"{step.name} is not supported for a table whose files are divided"
                span = document.key_span(step.pointer)
                yield Diagnostic(_CODE, message, span, "read rows first, such as with read_delimited")
    if has_rows and any(step.name == EXTRACT_STEP for step in definition.steps):
        # The package mltable compares the format with the path on the machine that reads.
        yield from find_unsupported(definition, PARALLEL_READER)
