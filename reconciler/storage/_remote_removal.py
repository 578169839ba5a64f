"""The removal of old objects of a store on a service, while others use them.

No service removes a file on the condition that it is old: that another one needs it is known from files beside it. Who
uses what was stored before leaves a mark, waits for the removals that have begun, and looks last whether all of it is
there. Who removes leaves a notice first, and then reads the marks. So one of the two sees the file of the other.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from reconciler.model.content import FOLDER_SUFFIX
from reconciler.model.object_store import FRESH_SECONDS
from reconciler.model.transfers import TransferProgress, transfer_listener
from reconciler.storage._remote_file import RemoteFile
from reconciler.storage._remote_files import RemoteFiles

_MARKS, _NOTICES = "kept", "removals"
_SENDING_SECONDS = 60.0  # for so long after its notice a removal sends requests
_LEASE_SECONDS = 360.0  # after that, all requests of a removal have ended, with what their drivers repeat
_POLL_SECONDS = 0.5
_WAITING = "waiting until `mlgit gc` has removed some old objects; if it was killed, for at most six minutes"

ReadListing = Callable[[str], Iterable[str]]
"""Returns the keys of the files of a folder; none if its list cannot be read."""


def is_old(file: RemoteFile) -> bool:
    """Return True if a file does not count as stored just now."""
    return file.modified < time.time() - FRESH_SECONDS


class UseMarks:
    """Which contents were used last, and when: a file for each, whose time is that of the service."""

    def __init__(self, remote: RemoteFiles, read_listing: ReadListing) -> None:
        self._remote = remote
        self._read_listing = read_listing
        self._keys: dict[tuple[str, RemoteFile], frozenset[str]] = {}

    def mark(self, digest: str, keys: Iterable[str] = ()) -> None:
        """Mark a content as used now; ``keys`` are its files if the store does not have the list of them."""
        path = f"{_MARKS}/{digest}"
        names = sorted(keys)
        found = None if names else self._remote.find(path)
        if found is None or is_old(found):
            self._remote.replace(path, ("\n".join(names) + "\n").encode())

    def read_times(self, since: float = 0.0) -> Mapping[str, float]:
        """Return when objects were used last, of those that were at a time or later."""
        times: dict[str, float] = {}
        for digest, file in self._remote.list(_MARKS).items():
            if file is not None and file.modified >= since:
                times |= {key: max(file.modified, times.get(key, 0.0)) for key in self._keys_of(digest, file)}
        return times

    def forget(self, digests: Collection[str]) -> None:
        """Remove the marks of objects that were removed."""
        for digest in self._remote.list(_MARKS).keys() & set(digests):
            self._remote.delete(f"{_MARKS}/{digest}")

    def _keys_of(self, digest: str, file: RemoteFile) -> frozenset[str]:
        if not digest.endswith(FOLDER_SUFFIX):
            return frozenset([digest])
        if (digest, file) not in self._keys:
            named = (self._remote.read(f"{_MARKS}/{digest}") or b"").decode("ascii", "replace").split()
            self._keys[digest, file] = frozenset([digest, *named, *self._read_listing(digest)])
        return self._keys[digest, file]


class RemovalNotices:
    """Which removals go on: a file for each, which goes with its end, or counts for some minutes if it was killed."""

    def __init__(self, remote: RemoteFiles) -> None:
        self._remote = remote

    def wait(self) -> bool:
        """Wait for the end of the removals that go on now; return False if there is none.

        One whose process was killed ends when none of its requests can still be on the way.
        """
        notices = self._remote.list(_NOTICES)
        if not notices:
            return False
        begin, now = time.monotonic(), self._service_time()
        left = {name: file.modified + _LEASE_SECONDS - now for name, file in notices.items() if file is not None}
        while left:
            elapsed = time.monotonic() - begin
            for name in [name for name, seconds in left.items() if elapsed >= seconds]:
                self._remote.delete(f"{_NOTICES}/{name}")
            present = self._remote.list(_NOTICES)
            left = {name: seconds for name, seconds in left.items() if name in present}
            if left:
                transfer_listener()(TransferProgress(_WAITING, 0, 0, 0, 0))
                time.sleep(_POLL_SECONDS)
        return True

    @contextmanager
    def announce(self) -> Iterator[Callable[[], bool]]:
        """Announce a removal until the block ends; yields what returns True as long as a request may be sent."""
        end = time.monotonic() + _SENDING_SECONDS
        path = f"{_NOTICES}/{uuid.uuid4().hex}"
        try:
            self._remote.replace(path, b"\n")
            yield lambda: time.monotonic() < end
        finally:
            self._remote.delete(path)

    def _service_time(self) -> float:
        """Return the time of the service: that of a new file."""
        path = f"tmp/{uuid.uuid4().hex}"
        self._remote.replace(path, b"\n")
        file = self._remote.find(path)
        self._remote.delete(path)
        return file.modified if file is not None else time.time()
