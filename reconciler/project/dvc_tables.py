"""Tables of data that DVC tracks, as far as their bytes are on this machine: no service is asked, and no credential.

They are looked for in the cache of DVC inside of the repository, and in the object store or the cache that it has here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.dvc_contents import parse_dvc_listing, select_dvc_files
from reconciler.model.dvc_pointer import DvcPointer
from reconciler.model.object_store import ObjectStore
from reconciler.project.session import Session
from reconciler.project.store import open_store
from reconciler.regular_files import open_regular_file
from reconciler.state.process import host_name

_CACHE = ".dvc/cache/files/md5"
_MAX_LISTING = 16 << 20
NOT_HERE = "the list of its files in DVC is not on this machine"
_TOO_LONG = f"the list of its files in DVC has more than {_MAX_LISTING >> 20} MiB"
_ONE_SIDE = "DVC tracks it on one side only"


class ChangedObject(NamedTuple):
    """A file with another digest: its names, and where its bytes are on this machine, None on a side where not."""

    names: tuple[str, str]
    paths: tuple[Path | None, Path | None]


class DvcTables:
    """What changed in data that DVC tracks."""

    def __init__(self, session: Session) -> None:
        self._top = Path(session.workspace.repository.top).resolve()
        self._store = _find_store(session)

    def changed(self, sides: tuple[DvcPointer | None, DvcPointer | None]) -> Iterator[ChangedObject]:
        """Yield the files that both sides have, with other bytes. Raises UserError with why that is not known."""
        before, after = sides
        if before is None or after is None:
            raise user_error("dvc-missing", _ONE_SIDE, "")
        old, new = self._files(before), self._files(after)
        for name in sorted(old.keys() & new.keys()):
            if old[name] != new[name]:
                names = (name, name) if name else (before.name, after.name)
                yield ChangedObject(names, (self._find(before, old[name]), self._find(after, new[name])))

    def _files(self, pointer: DvcPointer) -> Mapping[str, str]:
        """Return the keys of the files of one side, by path; the path of a single file is ""."""
        if not pointer.is_folder:
            return {"": pointer.key}
        path = self._find(pointer, pointer.key)
        if path is None:
            raise user_error("dvc-missing", NOT_HERE, "")
        if path.stat().st_size > _MAX_LISTING:
            raise user_error("dvc-missing", _TOO_LONG, "")
        with open_regular_file(path) as file:
            return select_dvc_files(pointer, parse_dvc_listing(pointer, file))

    def _find(self, pointer: DvcPointer, key: str) -> Path | None:
        if pointer.root is not None:
            path = (self._top / pointer.root / _CACHE / key[:2] / key[2:]).resolve()
            if path.is_relative_to(self._top) and path.is_file():  # a plan reads nothing outside of the repository
                return path
        local = self._store.local(key) if self._store else None
        return Path(local.path) if local else None


def _find_store(session: Session) -> ObjectStore | None:
    """Return the object store if this machine has it, or may have copies of what is in it."""
    if not session.config.has_store(host_name()):
        return None
    try:
        return open_store(session)
    except UserError:  # one that is not to be had has no bytes on this machine
        return None
