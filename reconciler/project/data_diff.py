"""What differs between the contents of two versions: files of any asset, and tables of data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json, Record
from reconciler.model.content import Content, ContentFile
from reconciler.model.data_diff import FileChange, FilesDiff, TableDiff
from reconciler.model.object_store import ObjectStore
from reconciler.project.local_tables import LocalTables, TooLargeError, open_local_tables
from reconciler.tables.formats import TableFormat, table_format
from reconciler.tables.process import INSTALL_HINT, can_read_tables, compare_files, pair_request

MAX_TABLES = 50
"""How many changed tables are compared."""


class TablePair(NamedTuple):
    """A table that changed: its number among the changed files, and both sides."""

    number: int
    digests: tuple[str, str]
    forms: tuple[TableFormat, TableFormat]


def diff_contents(store: ObjectStore, before: Content, after: Content, seconds: float | None) -> FilesDiff:
    """Return what differs between two contents; tables are compared for so many seconds, not at all if None.

    Raises UserError of the store.
    """
    old, new = ({file.path: file for file in store.manifest(content)} for content in (before, after))
    if not before.is_folder and not after.is_folder:  # a file that was renamed is still the file of the asset
        old = dict(zip(new, old.values(), strict=True))
    changes = list(_file_changes(store, old, new))
    diff = FilesDiff(tuple(changes), before.files, after.files, before.size, after.size)
    if seconds is None:
        return diff
    pairs = _table_pairs(changes, old, new, (before.name, after.name))
    tables = _compare(store, pairs, seconds)
    return diff._replace(
        changes=tuple(change._replace(table=tables.get(index)) for index, change in enumerate(changes))
    )


def recorded_content(record: Record) -> Content:
    """Return the content of a version. Raises UserError ``content-not-kept`` if the store has none of it."""
    contents = record.realised.get("contents", {})
    if len(contents) == 1:
        return Content.from_json(next(iter(contents.values())))
    version = record.address.format_with_version(record.version)
    hint = f"`mlgit show {version}` has what is known of it"
    if record.realised.get("locations"):
        hint += ", the sizes and ETags of its files too; `verify: full` in mlgit.yml stores data of later versions"
    raise user_error("content-not-kept", f"{version} has no files in the store", hint)


def _file_changes(
    store: ObjectStore, old: Mapping[str, ContentFile], new: Mapping[str, ContentFile]
) -> Iterator[FileChange]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before is None or after is None or (before.digest, before.mode) != (after.digest, after.mode):
            yield FileChange(path, before and _size(store, before), after and _size(store, after))


def _size(store: ObjectStore, file: ContentFile) -> int:
    """Return the size of a file; that of one that is not on this machine is -1: it is not known."""
    local = store.local(file.digest)
    return os.stat(local.path).st_size if local else -1  # noqa: PTH116 - a path as text


def _table_pairs(
    changes: Sequence[FileChange],
    old: Mapping[str, ContentFile],
    new: Mapping[str, ContentFile],
    names: tuple[str, str],
) -> list[TablePair]:
    pairs = []
    for index, change in enumerate(changes):
        if change.change != "changed" or old[change.path].digest == new[change.path].digest:
            continue
        forms = [table_format(name or change.path) for name in names]
        if forms[0] and forms[1] and forms[0].form == forms[1].form:
            digests = (old[change.path].digest, new[change.path].digest)
            pairs.append(TablePair(index, digests, (forms[0], forms[1])))
    return pairs


def _compare(store: ObjectStore, pairs: Sequence[TablePair], seconds: float) -> dict[int, TableDiff]:
    """Return what differs between tables, by the index of the pair."""
    if not can_read_tables():
        return {pair.number: TableDiff(not_compared=INSTALL_HINT) for pair in pairs}
    diffs = {pair.number: TableDiff(not_compared=f"more than {MAX_TABLES} tables changed") for pair in pairs}
    with open_local_tables(store) as files:
        requests = {}
        for pair in pairs[:MAX_TABLES]:
            request = _request(files, pair)
            if isinstance(request, str):
                diffs[pair.number] = TableDiff(not_compared=request)
            else:
                requests[pair.number] = request
        return {**diffs, **compare_files(requests, seconds)}


def _request(files: LocalTables, pair: TablePair) -> list[Json] | str:
    """Return what the process that reads tables is asked, or why it cannot be asked."""
    try:
        paths = [files.path(digest) for digest in pair.digests]
    except TooLargeError as error:
        return str(error)
    except UserError as error:
        return error.diagnostics[0].message
    return pair_request(paths, pair.forms)
