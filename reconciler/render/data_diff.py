"""Render what differs between the contents of two versions, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.abbreviation import cut_middle, format_size, join_some, pluralize
from reconciler.model import Json
from reconciler.model.data_diff import FileChange, FilesDiff, TableDiff
from reconciler.render.sanitize import sanitize_line

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_MAX_FILES = 50  # in text; JSON has all
_MAX_COLUMNS = 10  # of one kind of change, in text
_MAX_NAME = 200  # characters of the name of a column or of its type, in text


def format_data_diff(before: str, after: str, diff: FilesDiff) -> str:
    """Return what differs between two versions, by file."""
    lines = [f"From {before} to {after}: {summarize(diff)}", *_file_lines(diff)]
    return "\n".join(map(sanitize_line, lines))


def summarize(diff: FilesDiff) -> str:
    """Return how many files differ, and the sizes of both contents."""
    if not diff.changes:
        return f"no file differs ({pluralize(diff.files_after, 'file')}, {format_size(diff.size_after)})."
    counts = [f"{len(diff.of(change))} {change}" for change in _SIGNS if diff.of(change)]
    first, *others = counts
    number, _, verb = first.partition(" ")
    noun = "file" if number == "1" else "files"
    sizes = f"{format_size(diff.size_before)} -> {format_size(diff.size_after)}"
    return f"{', '.join([f'{number} {noun} {verb}', *others])}; {sizes}."


def change_lines(changes: Iterable[FileChange]) -> Iterator[str]:
    """Yield a line for each file that differs, and below it what differs in it as a table."""
    for item in changes:
        yield f"{_SIGNS[item.change]} {item.path}  {_sizes(item)}".rstrip()
        if item.table:
            yield from (f"    {line}" for line in table_lines(item.table))


def _file_lines(diff: FilesDiff) -> Iterator[str]:
    yield from (f"  {line}" for line in change_lines(diff.changes[:_MAX_FILES]))
    if len(diff.changes) > _MAX_FILES:
        yield f"  and {pluralize(len(diff.changes) - _MAX_FILES, 'other file')}; `--format json` has all."


def _sizes(item: FileChange) -> str:
    sizes = [size for size in (item.before, item.after) if size is not None]
    if min(sizes) < 0:
        return ""  # a file that is not on this machine
    return " -> ".join(dict.fromkeys(map(format_size, sizes)))


def table_lines(table: TableDiff) -> Iterator[str]:
    """Yield what differs between two tables, a line for each thing."""
    if table.rows_before is not None and table.rows_after is not None:
        yield _rows_line(table)
    yield from _some([f"+ column {_cut(column.name)}: {_cut(column.type)}" for column in table.added])
    yield from _some([f"- column {_cut(column.name)}: {_cut(column.type)}" for column in table.removed])
    yield from _some(list(_changed_columns(table)))
    if table.equal and not table.not_compared:
        equal = pluralize(table.equal, "column")
        yield f"{equal}: values equal" if not table.block else f"{equal}: values equal otherwise"
    if table.rows_compared is not None:
        yield f"not compared beyond row {table.rows_compared:,}: {table.not_compared}"
    elif table.not_compared:
        yield f"not compared: {table.not_compared}"


def _rows_line(table: TableDiff) -> str:
    before, after = table.rows_before or 0, table.rows_after or 0
    if before == after:
        return f"{pluralize_rows(before)}, as before"
    line = f"rows {before:,} -> {after:,}"
    if table.block is None:
        return line
    verb = "added" if table.block.rows > 0 else "removed"
    place = f"after row {table.block.after:,}" if table.block.after else "at the beginning"
    if table.block.after == min(before, after):
        place = "at the end"
    return f"{line}: {abs(table.block.rows):,} {verb} {place}"


def pluralize_rows(rows: int) -> str:
    """Return a number of rows."""
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _changed_columns(table: TableDiff) -> Iterator[str]:
    """Yield a line for each column whose type or values differ."""
    types = {change.name: f"{_cut(change.before)} -> {_cut(change.after)}" for change in table.types}
    values = {change.name: _values_phrase(change.rows) for change in table.values}
    for name in dict.fromkeys((*types, *values)):
        yield f"~ column {_cut(name)}: {', '.join(part[name] for part in (types, values) if name in part)}"


def _cut(text: str) -> str:
    return cut_middle(text, _MAX_NAME)


def _values_phrase(rows: int | None) -> str:
    return "values differ" + (f" in {pluralize_rows(rows)}" if rows is not None else "")


def _some(lines: list[str]) -> list[str]:
    if len(lines) <= _MAX_COLUMNS:
        return lines
    sign = lines[0][0]
    return [*lines[:_MAX_COLUMNS], f"{sign} {pluralize(len(lines) - _MAX_COLUMNS, 'other column')}"]


def data_diff_to_json(before: str, after: str, diff: FilesDiff) -> Json:
    """Return what differs between two versions as one document."""
    return {
        "before": {"version": before, "files": diff.files_before, "size": diff.size_before},
        "after": {"version": after, "files": diff.files_after, "size": diff.size_after},
        "files": list(map(file_change_to_json, diff.changes)),
    }


def file_change_to_json(item: FileChange) -> Json:
    """Return a file that differs as a document; `file_change_from_json` reads it back."""
    sizes = {"before": item.before, "after": item.after}
    known = {side: None if size is None or size < 0 else size for side, size in sizes.items()}
    return {
        "path": item.path,
        "change": item.change,
        "size": known,
        "table": item.table.to_json() if item.table else None,
    }


def file_change_from_json(document: Json) -> FileChange:
    """Return a file that differs on both sides, as a valid document has it."""
    before, after = (-1 if document["size"][side] is None else document["size"][side] for side in ("before", "after"))
    table = document["table"]
    return FileChange(document["path"], before, after, TableDiff.from_json(table) if table else None)


def describe_changes(diff: FilesDiff) -> str:
    """Return a short account of the files that differ, with the first of them, for one line of a plan."""
    parts = [f"{len(items)} {change}" for change in _SIGNS if (items := diff.of(change))]
    return f"{', '.join(parts)} ({join_some([item.path for item in diff.changes])})"
