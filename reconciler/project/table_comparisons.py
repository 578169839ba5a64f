"""What differs in the tables of data that a plan registers: an observation beside the plan.

Both sides are in Git, or tracked by DVC and on this machine. All of a plan shares one budget of time and bytes, smaller
than that of `mlgit diff`, which compares versions once they are registered. Nothing is downloaded, and no plan fails
for a table. ``project.dvc_tables`` is imported by name, for data that DVC tracks.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.abbreviation import cut_middle
from reconciler.diagnostics import UserError
from reconciler.format.kinds import kind_by_name
from reconciler.git.repository import Repository
from reconciler.git.trees import read_blobs
from reconciler.model import Action, Json, TableComparison
from reconciler.model.data_diff import Column, FileChange, TableDiff, TypeChange, ValueChange
from reconciler.project.session import Session
from reconciler.tables.formats import TableFormat, table_format
from reconciler.tables.limits import MEMORY_REASON
from reconciler.tables.process import INSTALL_HINT, can_read_tables, compare_files, pair_request

MAX_SECONDS = 1.0
"""How long the tables of one plan are compared, beyond the start of the process that does."""
MAX_BYTES = 32 << 20
"""The bytes of all files that are compared for one plan, both sides."""
MAX_TABLES = 10
"""How many tables are compared for one plan."""
_MAX_MEMORY = 512 << 20
_GRACE = 0.5  # seconds after its time in which the process may end by itself
_MAX_COLUMNS = 1_000  # that differ in one way
_MAX_NAME = 200  # characters of the name of a column or a type
_BYTES_REASON = f"a plan reads tables of {MAX_BYTES >> 20} MiB at most"
_TIME_REASON = f"more than {MAX_SECONDS:g} s"
_COLUMNS_REASON = f"more than {_MAX_COLUMNS:,} columns differ"
_ABSENT_REASON = "DVC tracks it, and its bytes are not on this machine"
_LIMITS = frozenset({_BYTES_REASON, _TIME_REASON, _COLUMNS_REASON, MEMORY_REASON, _ABSENT_REASON})


class _ChangedTable(NamedTuple):
    """A table that changed: its sides by name, size, how they are read, and where they are.

    That is a blob of Git, or a file of this machine; a size is -1, and the file None, if DVC has it elsewhere only.
    """

    action: Action
    names: tuple[str, str]
    sizes: tuple[int, int]
    forms: tuple[TableFormat, TableFormat]
    oids: tuple[str, ...] = ()
    paths: tuple[Path | None, ...] = ()


def compare_changed_tables(session: Session, actions: Sequence[Action]) -> tuple[TableComparison, ...]:
    """Return what differs in the tables of data that changed, for each action on data that has some."""
    data = [action for action in actions if not kind_by_name(action.address.kind).is_model]  # as in `mlgit diff`
    tables = [table for action in data for table in _tables_in_git(action)]
    tracked, unknown = _tables_of_dvc(session, data)
    tables += tracked
    if tables and not can_read_tables():
        return (TableComparison(tables[0].action.address, hint=INSTALL_HINT),)
    return *_compare_tables(session.workspace.repository, tables), *unknown


def _compare_tables(repository: Repository, tables: Sequence[_ChangedTable]) -> tuple[TableComparison, ...]:
    if not tables:
        return ()
    diffs = _compare(repository, tables[:MAX_TABLES])
    by_action: dict[int, list[int]] = {}
    for number, table in enumerate(tables):
        by_action.setdefault(id(table.action), []).append(number)
    return tuple(_comparison([tables[number] for number in numbers], numbers, diffs) for numbers in by_action.values())


def _tables_in_git(action: Action) -> Iterator[_ChangedTable]:
    for blob in action.content.changed_blobs if action.content else ():
        if forms := _table_forms(blob.names):
            yield _ChangedTable(action, blob.names, blob.sizes, forms, oids=blob.oids)


def _tables_of_dvc(session: Session, actions: Sequence[Action]) -> tuple[list[_ChangedTable], list[TableComparison]]:
    """Return the changed tables of data that DVC tracks, and for data of which they are not known why."""
    tables, unknown = list[_ChangedTable](), list[TableComparison]()
    changes = [(action, action.content.dvc) for action in actions if action.content and action.content.dvc]
    if not changes:
        return tables, unknown
    module = importlib.import_module("reconciler.project.dvc_tables")
    data = module.DvcTables(session)
    for action, sides in changes:
        try:
            changed = list(data.changed(sides))
        except UserError as error:
            reason = error.diagnostics[0].message
            command = _diff_command(action) if reason == module.NOT_HERE else ""
            unknown.append(TableComparison(action.address, command=command, hint=reason))
            continue
        for item in changed:
            if forms := _table_forms(item.names):
                before, after = (path.stat().st_size if path else -1 for path in item.paths)
                tables.append(_ChangedTable(action, item.names, (before, after), forms, paths=item.paths))
    return tables, unknown


def _table_forms(names: tuple[str, str]) -> tuple[TableFormat, TableFormat] | None:
    """Return how both sides of a file are read as tables, None if they are none that can be compared."""
    before, after = map(table_format, names)
    return (before, after) if before and after and before.form == after.form else None


def _comparison(
    tables: Sequence[_ChangedTable], numbers: Sequence[int], diffs: Mapping[int, TableDiff]
) -> TableComparison:
    """Return what differs in the tables of one action."""
    compared = [
        FileChange(table.names[1], *table.sizes, diffs[number])
        for table, number in zip(tables, numbers, strict=True)
        if number in diffs
    ]
    action, others = tables[0].action, len(tables) - len(compared)
    is_limited = others > 0 or any(file.table and file.table.not_compared in _LIMITS for file in compared)
    command = _diff_command(action) if is_limited else ""
    return TableComparison(action.address, tuple(compared), others, command)


def _diff_command(action: Action) -> str:
    """Return the command that compares both versions once the new one is registered, "" if one of them has no name."""
    before = action.record.version if action.record else ""
    if not before or not action.version:
        return ""
    versions = (action.address.format_with_version(version) for version in (before, action.version))
    return f"mlgit diff {' '.join(versions)}"


def _compare(repository: Repository, tables: Sequence[_ChangedTable]) -> dict[int, TableDiff]:
    """Return what differs in each table, by its number, as far as the budget goes."""
    try:
        with tempfile.TemporaryDirectory(prefix="mlgit-tables-", ignore_cleanup_errors=True) as folder:
            diffs, requests = _write_tables(repository, tables, Path(folder))
            diffs |= compare_files(requests, MAX_SECONDS, _MAX_MEMORY, _GRACE)
    except OSError as error:  # no room for the files, or no process
        return {number: TableDiff(not_compared=str(error)) for number in range(len(tables))}
    return {number: _bounded(diff) for number, diff in diffs.items()}


def _write_tables(
    repository: Repository, tables: Sequence[_ChangedTable], folder: Path
) -> tuple[dict[int, TableDiff], dict[int, Json]]:
    """Return which tables are not compared and why, and of the others what the process that compares is asked."""
    diffs: dict[int, TableDiff] = {}
    requests: dict[int, Json] = {}
    left = MAX_BYTES
    for number, table in enumerate(tables):
        if None in table.paths:
            diffs[number] = TableDiff(not_compared=_ABSENT_REASON)
            continue
        if sum(table.sizes) > left:
            diffs[number] = TableDiff(not_compared=_BYTES_REASON)
            continue
        left -= sum(table.sizes)
        try:
            requests[number] = _write_files(repository, table, folder / str(number))
        except UserError as error:  # a clone without the files of earlier commits
            diffs[number] = TableDiff(not_compared=error.diagnostics[0].message)
    return diffs, requests


def _write_files(repository: Repository, table: _ChangedTable, folder: Path) -> list[Json]:
    """Write both sides of a table in Git as files, and return what the process that compares is asked.

    Raises UserError ``object-missing``.
    """
    if table.paths:
        return pair_request(list(map(str, table.paths)), table.forms)
    contents = read_blobs(repository, table.oids)
    folder.mkdir()
    paths = [folder / side for side in ("before", "after")]
    for path, oid in zip(paths, table.oids, strict=True):
        path.write_bytes(contents[oid])
    return pair_request(list(map(str, paths)), table.forms)


def _bounded(diff: TableDiff) -> TableDiff:
    """Return a difference that a plan and its report can hold, whatever a table calls its columns."""
    groups = (diff.added, diff.removed, diff.types, diff.values)
    if max(map(len, groups)) > _MAX_COLUMNS:
        return TableDiff(diff.rows_before, diff.rows_after, not_compared=_COLUMNS_REASON)
    return diff._replace(
        added=tuple(Column(_cut(item.name), _cut(item.type)) for item in diff.added),
        removed=tuple(Column(_cut(item.name), _cut(item.type)) for item in diff.removed),
        types=tuple(TypeChange(*map(_cut, item)) for item in diff.types),
        values=tuple(ValueChange(_cut(item.name), item.rows) for item in diff.values),
    )


def _cut(text: str) -> str:
    return cut_middle(text, _MAX_NAME)
