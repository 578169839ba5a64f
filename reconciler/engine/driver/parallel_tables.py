"""The table that a parallel step divides, read from its file MLTable when the step is submitted.

Its rows are read where the step runs, by the environment of the job. What the file says is known here: a table that
cannot be divided is not submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.format.divided_tables import find_undivided, has_reader
from reconciler.format.mltables import (
    EXTRACT_STEP,
    MLTABLE_FILE,
    PARALLEL_READER,
    TableDefinition,
    find_table_files,
    find_unsupported,
    read_mltable,
)
from reconciler.model import MAX_TEXT_BYTES, Json
from reconciler.model.content import ContentFile
from reconciler.model.object_store import ObjectStore
from reconciler.model.parallel_work import ROWS
from reconciler.model.tasks import Task, TaskContent


def with_table(store: ObjectStore, task: Task) -> Task:
    """Return a task whose parallel step knows its table, if its input is one.

    Raises UserError ``mltable-missing``, ``mltable-not-supported``, ``path-missing``, what the schema of the file says,
    and errors of the store.
    """
    work = task.parallel
    task_input = task.inputs.get(work.input) if work is not None and work.form else None
    if work is None or not isinstance(task_input, TaskContent):
        return task
    files = {file.path: file for file in store.manifest(task_input.content)}
    if MLTABLE_FILE not in files:
        hint = "write the file, or make the input one of the type uri_folder"
        raise user_error("mltable-missing", f"the input {work.input} has no file {MLTABLE_FILE}", hint)
    display = f"{work.input}/{MLTABLE_FILE}"
    definition, diagnostics = read_mltable(display, _read(store, files[MLTABLE_FILE]))
    if definition is None:
        raise UserError(*map(_with_place, diagnostics))
    has_rows = work.form == ROWS and has_reader(definition)
    table = _describe(definition, [path for path in files if path != MLTABLE_FILE], has_rows=has_rows)
    return replace(task, parallel=replace(work, table=table))


def _read(store: ObjectStore, file: ContentFile) -> bytes:
    with store.open(file.digest) as stream:
        return stream.read(MAX_TEXT_BYTES + 1)


def _describe(definition: TableDefinition, inside: list[str], *, has_rows: bool) -> Mapping[str, Json]:
    """Return a table as the program of the step has it (``runner.parallel.settings.Table``)."""
    if refused := [*find_undivided(definition, has_rows=has_rows)]:
        raise UserError(*map(_with_place, refused))
    try:
        files = [name for entry in definition.paths for name in find_table_files(definition, entry, inside)]
    except UserError as error:
        raise UserError(*map(_with_place, error.diagnostics)) from error
    steps = [(step.name, step.arguments) for step in definition.steps if has_rows or step.name == EXTRACT_STEP]
    needed = next(find_unsupported(definition, PARALLEL_READER), None) if has_rows else None
    needs_mltable = _with_place(needed).message if needed else ""
    return {"files": files, "steps": steps, "needs_mltable": needs_mltable, "has_rows": has_rows}


def _with_place(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic whose message begins with its place: of a run only the message is kept."""
    return diagnostic._replace(message=f"{diagnostic.span}: {diagnostic.message}") if diagnostic.span else diagnostic
