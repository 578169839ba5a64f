"""A list of all runs: of each folder of the live state what it has of runs, so that only changed folders are read.

A folder is ``current/<2 hex>`` or ``history/job/<2 hex>``; its tree names all that is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from reconciler.model import Address, parse_address
from reconciler.state import codec, paths
from reconciler.state.current_records import CurrentRecords
from reconciler.state.snapshot import Snapshot

Rows = list[list[Any]]
_CURRENT_FOLDER = paths.CURRENT_PREFIX.removesuffix("/")


class FolderMemory(Protocol):
    """Remembers text by folder and tree."""

    def find(self, trees: Mapping[str, str]) -> Mapping[str, str]: ...

    def remember(self, trees: Mapping[str, str], values: Mapping[str, str]) -> None: ...


class ListedJob(NamedTuple):
    """A job with all its runs, oldest first, and the ids of those whose end may not be recorded."""

    address: Address
    runs: list[codec.RunSummary]
    open_runs: tuple[str, ...]


def list_jobs(snapshot: Snapshot, kind: str, memory: FolderMemory) -> list[ListedJob]:
    """Return the jobs of the live state, and those that have experiments only, with all their runs, by address."""
    jobs = _read_folders(snapshot, _CURRENT_FOLDER, memory, partial(_read_jobs, snapshot, kind))
    runs_by_name: dict[str, list[codec.RunSummary]] = {}
    experiments: dict[str, list[str]] = {}
    for folder in (paths.experiments_kind_folder(kind), paths.history_kind_folder(kind)):
        for name, *fields in _read_folders(snapshot, folder.removesuffix("/"), memory, partial(_read_runs, snapshot)):
            runs_by_name.setdefault(name, []).append(codec.RunSummary(*fields))
            if folder.startswith(paths.EXPERIMENTS_PREFIX):
                experiments.setdefault(name, []).append(fields[0])
    known = {name for _, names, _ in jobs for name in names}
    jobs += [[name, [name], []] for name in experiments if name not in known]
    return [
        ListedJob(
            Address(kind, name),
            _merge_runs([runs_by_name.get(known, []) for known in names]),
            (*open_runs, *(run_id for known in names for run_id in experiments.get(known, ()))),
        )
        for name, names, open_runs in sorted(jobs)
    ]


def _merge_runs(runs_by_name: list[list[codec.RunSummary]]) -> list[codec.RunSummary]:
    """Return the runs of a job under all its names, oldest first; that under the newest name counts."""
    by_id = {run.id: run for runs in runs_by_name for run in runs}
    return sorted(by_id.values(), key=lambda run: (run.submitted_at, run.attempt))


def _read_folders(
    snapshot: Snapshot, parent: str, memory: FolderMemory, read: Callable[[list[str]], Iterable[tuple[str, list[Any]]]]
) -> Rows:
    """Return the rows of all folders in a folder; those that are not remembered are read, and remembered."""
    trees = {f"{parent}/{name}": entry.oid for name, entry in snapshot.list_folder(parent).items()}
    remembered = {folder: json.loads(value) for folder, value in memory.find(trees).items()}
    changed: dict[str, Rows] = {folder: [] for folder in trees if folder not in remembered}
    if changed:
        for path, row in read(list(changed)):
            name = path.removeprefix(f"{parent}/").partition("/")[0]
            changed[f"{parent}/{name}"].append(row)
        memory.remember(trees, {folder: json.dumps(rows) for folder, rows in changed.items()})
    rows_by_folder = {**remembered, **changed}
    return [row for folder in trees for row in rows_by_folder[folder]]


def _read_jobs(snapshot: Snapshot, kind: str, folders: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the path, and name, all names and open runs, of the jobs in folders of current records."""
    records = CurrentRecords(snapshot)
    listed = snapshot.list_files(*(f"{folder}/{kind}/" for folder in folders))
    addresses = [_require_address(snapshot, path, paths.current_record_address(path)) for path in listed]
    records.prefetch(addresses)
    for path, address in zip(listed, addresses, strict=True):
        record = records[address]
        names = [*(parse_address(former).name for former in reversed(record.formerly)), address.name]
        open_runs = [run_id for run_id in dict.fromkeys((*record.unfinished, record.latest)) if run_id]
        yield path, [address.name, names, open_runs]


def _read_runs(snapshot: Snapshot, folders: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the path, and the name of the job and the fields of the summary, of the runs in folders of the history."""
    entries = snapshot.list_files(*(f"{folder}/" for folder in folders))
    for path, summary in zip(entries, snapshot.read_files(entries, codec.decode_run_summary), strict=True):
        yield path, [_require_address(snapshot, path, paths.record_address(path)).name, *summary]


def _require_address(snapshot: Snapshot, path: str, address: Address | None) -> Address:
    if address is None:
        raise snapshot.corrupt_error(path, "it is not a record of mlgit")
    return address
