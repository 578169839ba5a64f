"""Find and remove what is kept for runs outside of the store: folders of runs, and copies of a store on a service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, cast

from reconciler.diagnostics import UserError
from reconciler.model.backend import RunFolder, RunFolders
from reconciler.model.content import StoredObject
from reconciler.model.object_store import ObjectStore
from reconciler.planning.garbage import Amount
from reconciler.planning.local_garbage import LocalPlan, RunTokens, plan_cache, plan_run_folders
from reconciler.project.state_session import OnNote, StateSession, ignore_note

FindUnreachable = Callable[[Collection[StoredObject]], Collection[str]]
"""Returns those of some objects that nothing needs, by key."""


class LocalGarbage(NamedTuple):
    """What of the cache of a store and of the folders of runs is not needed; None for a store without a cache."""

    cache: LocalPlan[StoredObject] | None
    cache_folder: str
    cached_before: float
    runs: LocalPlan[RunFolder]
    runs_folder: str


def list_run_folders(session: StateSession, on_note: OnNote) -> Mapping[str, tuple[RunFolder, RunFolders]]:
    """Return the folders of the runs of all backends that have some, each with its backend; by path.

    A backend that cannot be reached is a note, and its folders stay.
    """
    found: dict[str, tuple[RunFolder, RunFolders]] = {}
    for opened in session.open_backends().values():
        if hasattr(type(opened), "run_folders"):  # one that cannot be opened has every attribute, and raises
            backend = cast("RunFolders", opened)
            try:
                found |= {folder.path: (folder, backend) for folder in backend.run_folders()}
            except UserError as error:
                on_note(f"{error.diagnostics[0].message}; its folders of runs are not looked at")
    return found


def find_cache_garbage(
    store: ObjectStore, stored: Mapping[str, StoredObject], find_unreachable: FindUnreachable, before: float
) -> tuple[LocalPlan[StoredObject] | None, str]:
    """Return what of the cache of a store is not needed, and where the cache is; None for a store that has none."""
    cache = find_cache(store)
    if cache is None:
        return None, ""
    cached = list(cache.objects())
    unreachable = find_unreachable([item for item in cached if item.digest not in stored])
    return plan_cache(cached, stored, unreachable, before), cache.location


def find_cache(store: ObjectStore) -> ObjectStore | None:
    """Return the store on this machine that has copies of the objects of a store, None if there is none."""
    return cast("ObjectStore | None", getattr(store, "cache", None))


def find_run_garbage(
    session: StateSession, folders: Iterable[RunFolder], tokens: RunTokens, before: float
) -> tuple[LocalPlan[RunFolder], str]:
    """Return which folders of runs are not needed, and where they are: the first place is that of this machine."""
    folders, own = list(folders), str(session.store_path / "runs")
    others = {folder.path.rpartition("/")[0] for folder in folders if not folder.is_left}
    return plan_run_folders(folders, tokens, before), ", ".join((own, *sorted(others - {own})))


def remove_cached(store: ObjectStore, garbage: LocalGarbage) -> Amount:
    """Remove old copies; return how much was removed. What is used meanwhile stays, or is downloaded again."""
    cache = find_cache(store)
    if cache is None or garbage.cache is None:
        return Amount(0, 0)
    items = {item.digest: item for item in garbage.cache.items}
    removed = cache.remove(items, garbage.cached_before)
    return Amount(len(removed), sum(items[key].size for key in removed))


def remove_run_folders(session: StateSession, garbage: LocalGarbage) -> Amount:
    """Remove old folders of runs; return how much was removed."""
    backends = {path: backend for path, (_, backend) in list_run_folders(session, ignore_note).items()}
    gone = [
        folder
        for folder in garbage.runs.items
        if folder.path in backends and backends[folder.path].remove_run_folder(folder)
    ]
    return Amount(len(gone), sum(folder.size for folder in gone))
