"""Verify contents of the store: each is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.format.data_uris import DEFAULT_DATASTORES
from reconciler.model import Record, Run, State
from reconciler.model.content import Content, VerifiedContent
from reconciler.model.object_store import ObjectStore
from reconciler.planning.recorded_contents import RecordedContent, run_contents, version_contents
from reconciler.storage.datastores._object_store import ObjectStoreDatastore

OnProgress = Callable[[int, int], object]


def recorded_contents(state: State, items: Iterable[Record | Run]) -> Iterator[RecordedContent]:
    """Yield the contents that versions and runs have."""
    for item in items:
        if isinstance(item, Run):
            yield from run_contents(item, state.find_steps(item.id))
        else:
            yield from version_contents(item)


def datastore_contents(store: ObjectStore) -> Iterator[RecordedContent]:
    """Yield the contents of the files in the datastores that every workspace has, which are in the object store."""
    for name in DEFAULT_DATASTORES:
        for uri, content in ObjectStoreDatastore(store, name).contents():
            yield RecordedContent(uri, content)


def group_by_content(recorded: Iterable[RecordedContent]) -> dict[Content, tuple[str, ...]]:
    """Return all contents, each with those whose it is."""
    owners: dict[Content, dict[str, None]] = {}
    for owner, content in recorded:
        owners.setdefault(content, {})[owner] = None
    return {content: tuple(names) for content, names in owners.items()}


def verify_contents(
    store: ObjectStore, owners: Mapping[Content, tuple[str, ...]], on_progress: OnProgress, *, deep: bool
) -> list[VerifiedContent]:
    """Return what each content is like; ``deep`` reads all bytes, else those that may have changed.

    ``on_progress`` is called with the files and the bytes that are done, after each content. Raises UserError
    ``store-unreachable``.
    """
    verified: list[VerifiedContent] = []
    files = size = 0
    for content, names in owners.items():
        verified.append(VerifiedContent(content, names, store.verify(content, deep=deep)))
        files, size = files + content.files, size + content.size
        on_progress(files, size)
    return verified
