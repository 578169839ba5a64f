"""Experiments: the runs that `mlgit run` started. They are recorded apart, and read only where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reconciler.model import Address, Run
from reconciler.state import codec, paths

if TYPE_CHECKING:
    from reconciler.state.snapshot import Snapshot  # which reads its runs with this module


def read_experiment(snapshot: Snapshot, address: Address, run_id: str) -> Run | None:
    """Return one experiment of a job; None if the state has none of that name."""
    if not _has_experiments(snapshot, address.kind):
        return None
    path = paths.experiment_path(address, run_id)
    raw = snapshot.read_file(path)
    return snapshot.parse_file(path, raw, codec.decode_run) if raw else None


def _has_experiments(snapshot: Snapshot, kind: str) -> bool:
    """Return True if there is an experiment of a kind; the state is asked once."""
    folder = paths.experiments_kind_folder(kind)
    if folder not in snapshot.history_listings:
        snapshot.history_listings[folder] = frozenset(snapshot.list_folder(folder.removesuffix("/")))
    return bool(snapshot.history_listings[folder])


def read_open_experiments(snapshot: Snapshot, find_run: Callable[[Address, str], Run | None]) -> tuple[Run, ...]:
    """Return the experiments whose end is not recorded; one that an apply has taken over is none any more."""
    folder = paths.UNFINISHED_PREFIX
    entries = {f"{folder}{name}": entry for name, entry in snapshot.list_folder(folder.removesuffix("/")).items()}
    runs = (find_run(address, run_id) for address, run_id in snapshot.read_files(entries, codec.decode_unfinished))
    return tuple(run for run in runs if run is not None and run.experiment and run.is_unfinished)


def list_experiments(snapshot: Snapshot, kind: str) -> Mapping[Address, tuple[str, ...]]:
    """Return the jobs that have experiments, with the ids of these."""
    run_ids: dict[Address, list[str]] = {}
    if not _has_experiments(snapshot, kind):
        return {}
    for path in snapshot.list_files(paths.experiments_kind_folder(kind)):
        if address := paths.record_address(path):
            run_ids.setdefault(address, []).append(paths.run_id_of(path))
    return {address: tuple(ids) for address, ids in run_ids.items()}


def read_experiments(snapshot: Snapshot, kind: str) -> list[Run]:
    """Return all experiments of a kind."""
    if not _has_experiments(snapshot, kind):
        return []
    return snapshot.read_files(snapshot.list_files(paths.experiments_kind_folder(kind)), codec.decode_run)
