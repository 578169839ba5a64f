"""The first rows of the table in a data asset: of a file, or of what its file MLTable says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Span, UserError, user_error
from reconciler.format.mltables import MLTABLE_FILE, TableDefinition, find_table_files, is_uri, parse_mltable
from reconciler.format.suggest import did_you_mean
from reconciler.model import MAX_TEXT_BYTES, Json, Record
from reconciler.model.content import ContentFile
from reconciler.planning.data_places import describe_unknown
from reconciler.project.data_diff import recorded_content
from reconciler.project.local_tables import LocalTables, TooLargeError, open_local_tables
from reconciler.project.remote_data import RemoteData
from reconciler.tables.formats import TableFormat, table_format
from reconciler.tables.process import ask_worker, can_read_tables

_UNREADABLE_CODE = "table-unreadable"
_MAX_FILES = 1_000  # of a table


class TableHead(NamedTuple):
    """The first rows of a table: names and types of its columns, the rows, and whether there are more."""

    source: str
    """The version, and the file in it that was read: ``data/iris@1, iris.csv``."""
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Json, ...], ...]
    has_more: bool


def read_head(remote: RemoteData, record: Record, file: str, rows: int, seconds: float) -> TableHead:
    """Return the first rows of the table in a version; ``file`` names the one that is meant, "" if there is one only.

    What is not in the object store is brought there first: the version, and the URIs in the paths of its MLTable.
    Raises UserError ``content-not-kept``, ``table-unknown``, ``table-unreadable``, ``mltable-not-supported``,
    ``extra-missing``, ``input-changed``, and those of the store and of the datastore.
    """
    if not can_read_tables():
        message = "reading tables needs pyarrow, which is not installed"
        raise user_error("extra-missing", message, "run `pip install 'mlgit[tables]'`")
    version = record.address.format_with_version(record.version)
    store = remote.store
    content = remote.fetch_version(record) or recorded_content(record)
    files = {item.path: item for item in store.manifest(content)}
    name = _choose_file(version, files, file)
    source = f"{version}, {name}"
    with open_local_tables(store) as local:
        request = _request(_Tables(local, remote), files, name, source)
        answer = _ask({**request, "rows": rows}, source, seconds)
    columns = tuple((column["name"], column["type"]) for column in answer["columns"])
    return TableHead(source, columns, tuple(map(tuple, answer["rows"])), answer["more"])


def _choose_file(version: str, files: Mapping[str, ContentFile], file: str) -> str:
    if file:
        if file in files:
            return file
        raise user_error("table-unknown", f"{version} has no file {file}", did_you_mean(file, files) or _names(files))
    if MLTABLE_FILE in files:
        return MLTABLE_FILE
    tables = [path for path in files if table_format(path)]
    if len(tables) == 1:
        return tables[0]
    if tables:
        message = f"{version} has {len(tables)} tables"
        raise user_error("table-unknown", message, f"name one with --file: {join_some(tables, 10)}")
    hint = "tables are a file MLTable, and files .csv, .tsv, .parquet, .jsonl, .ndjson"
    raise user_error("table-unknown", f"{version} has no table: {_names(files)}", hint)


def _names(files: Mapping[str, ContentFile]) -> str:
    return f"its files: {join_some(list(files))}"


class _Tables(NamedTuple):
    """Where the files of a table come from."""

    local: LocalTables
    remote: RemoteData


def _request(tables: _Tables, files: Mapping[str, ContentFile], name: str, source: str) -> dict[str, Json]:
    if name.rpartition("/")[2] == MLTABLE_FILE:
        return {"table": _table_request(tables, files, name, source)}
    form = table_format(name)
    if form is None:
        hint = "tables are a file MLTable, and files .csv, .tsv, .parquet, .jsonl, .ndjson"
        raise user_error(_UNREADABLE_CODE, f"{source}: its name is not that of a table", hint)
    return {"file": _local_path(tables.local, files[name], source), "format": list(form)}


def _table_request(tables: _Tables, files: Mapping[str, ContentFile], name: str, source: str) -> Json:
    folder = name.removesuffix(MLTABLE_FILE)
    display = f"{source.partition(',')[0]}/{name}"
    with open(_local_path(tables.local, files[name], source), "rb") as stream:  # noqa: PTH123 - a path as text
        raw = stream.read(MAX_TEXT_BYTES + 1)
    definition, diagnostics = parse_mltable(display, raw)
    if definition is None:
        raise UserError(*diagnostics)
    inside = {path.removeprefix(folder): files[path] for path in files if path.startswith(folder) and path != name}
    chosen = [item for entry in definition.paths for item in _find_files(tables.remote, definition, entry, inside)]
    if len(chosen) > _MAX_FILES:
        raise user_error(_UNREADABLE_CODE, f"{display} names {len(chosen)} files", f"{_MAX_FILES} files can be read")
    sources = [(_local_path(tables.local, file, source), path, _is_gzip(path)) for path, file in chosen]
    return {"files": sources, "steps": [(step.name, step.arguments) for step in definition.steps]}


def _find_files(
    remote: RemoteData, definition: TableDefinition, entry: tuple[str, str, str], inside: Mapping[str, ContentFile]
) -> list[tuple[str, ContentFile]]:
    """Return the files that an entry of the paths names, with their paths. Raises UserError at its line."""
    form, path, pointer = entry
    if not is_uri(path):
        return [(name, inside[name]) for name in find_table_files(definition, entry, [*inside])]
    span: Span = definition.document.value_span(pointer)
    try:
        content = remote.fetch(path, is_file=form == "file")
    except UserError as error:
        raise UserError(*(item if item.span else item._replace(span=span) for item in error.diagnostics)) from error
    if content is None:
        raise user_error("mltable-not-supported", f"mlgit cannot read {path}", describe_unknown(path)[1], span)
    prefix = f"{path.rstrip('/')}/" if content.is_folder and form == "folder" else ""
    return [(f"{prefix}{file.path}" if prefix else path, file) for file in remote.store.manifest(content)]


def _is_gzip(path: str) -> bool:
    form: TableFormat | None = table_format(path)
    return form is not None and form.is_gzip


def _local_path(local: LocalTables, file: ContentFile, source: str) -> str:
    try:
        return local.path(file.digest)
    except TooLargeError as error:
        hint = "write it to a folder with `mlgit get`"
        raise user_error(_UNREADABLE_CODE, f"{source}: {file.path}: {error}", hint) from error


def _ask(request: Mapping[str, Json], source: str, seconds: float) -> Json:
    answers, reason = ask_worker(request, seconds)
    error = answers[0].get("error") if answers else reason
    if error:
        hint = "look into the file: `mlgit get` writes it to a folder"
        raise user_error(_UNREADABLE_CODE, f"{source} cannot be read as a table: {error}", hint)
    return answers[0]
