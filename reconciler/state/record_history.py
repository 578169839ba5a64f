"""The versions of assets and the runs of jobs that a snapshot has: of many addresses in two Git processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from reconciler.model import Address, Record, Run
from reconciler.state import codec, paths
from reconciler.state.current_records import CurrentRecords
from reconciler.state.snapshot import Snapshot, former_and_current_names

_T = TypeVar("_T")
_R = TypeVar("_R", Run, codec.RunSummary)
Names = Mapping[Address, Sequence[Address]]  # each address with all names that it had, the newest last

_MAX_LISTED_FOLDERS = 50  # beyond that the whole history of the kind is listed


def read_runs(snapshot: Snapshot, names: Names, read: Callable[[bytes], _R]) -> dict[Address, list[_R]]:
    """Return every run of many jobs, oldest first."""
    runs_by_id: dict[Address, dict[str, _R]] = {job: {} for job in names}
    for folder in (paths.experiments_folder, paths.history_folder):  # one that is in both was taken over by an apply
        for job, run in _read_histories(snapshot, names, read, folder):
            runs_by_id[job][run.id] = run
    return {
        job: sorted(runs.values(), key=lambda run: (run.submitted_at, run.attempt)) for job, runs in runs_by_id.items()
    }


def read_runs_of(snapshot: Snapshot, address: Address) -> list[Run]:
    """Return every run of a job, oldest first."""
    record = CurrentRecords(snapshot).get(address)
    names = former_and_current_names(record) if record else (address,)
    return [replace(run, address=address) for run in read_runs(snapshot, {address: names}, codec.decode_run)[address]]


def read_versions(snapshot: Snapshot, names: Names) -> dict[Address, list[Record]]:
    """Return every version of many assets, newest first."""
    versions: dict[Address, dict[str, Record]] = {address: {} for address in names}
    for address, record in _read_histories(snapshot, names, codec.decode_record):
        versions[address][record.version] = replace(record, address=address)
    return {
        address: sorted(records.values(), key=lambda record: record.seq, reverse=True)
        for address, records in versions.items()
    }


def _read_histories(
    snapshot: Snapshot,
    names: Names,
    read: Callable[[bytes], _T],
    folder_of: Callable[[Address], str] = paths.history_folder,
) -> Iterator[tuple[Address, _T]]:
    """Yield what is in the histories of many addresses; what is under their newest name comes last."""
    if not names:
        return
    address_by_folder = {folder_of(name): address for address, known in names.items() for name in known}
    rank_by_folder = {folder: rank for rank, folder in enumerate(address_by_folder)}
    kinds = sorted({"/".join([*folder.split("/")[:2], ""]) for folder in address_by_folder})
    listed = snapshot.list_files(*(kinds if len(address_by_folder) > _MAX_LISTED_FOLDERS else address_by_folder))
    item_paths = [path for path in listed if paths.folder_of(path) in address_by_folder]
    item_paths.sort(key=lambda path: rank_by_folder[paths.folder_of(path)])
    items = snapshot.read_files({path: listed[path] for path in item_paths}, read)
    for path, item in zip(item_paths, items, strict=True):
        yield address_by_folder[paths.folder_of(path)], item
