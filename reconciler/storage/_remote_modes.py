"""The modes of the files of folders on a storage service, which the lists of DVC do not have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from reconciler.model.content import Content, Damage
from reconciler.storage._remote_files import RemoteFiles
from reconciler.storage._remote_objects import MODES_FOLDER
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.manifest import REGULAR_MODE, ManifestEntry, manifest_sha256


class RemoteModes:
    """The modes of folders on a service, with copies in a cache."""

    def __init__(self, remote: RemoteFiles, cache: FolderStore) -> None:
        self._remote, self._cache = remote, cache

    def upload(self, content: Content) -> None:
        """Upload the modes of a folder, and keep them in the cache: {} if all of its files are regular."""
        modes = self._read_cached(content) or b"{}"
        if self._remote.read(_path(content)) != modes:
            self._remote.replace(_path(content), modes)
        self._cache.object_files.replace_file(self._cache.modes_path(content), modes)

    def fetch(self, content: Content) -> None:
        """Bring the modes of a folder into the cache, if the service has them."""
        path = self._cache.modes_path(content)
        if not path.exists() and (modes := self._remote.read(_path(content))) is not None:
            self._cache.object_files.replace_file(path, modes)

    def exists(self, content: Content) -> bool:
        """Return True if the service has the modes of a folder."""
        return self._remote.find(_path(content)) is not None

    def verify(
        self,
        content: Content,
        listing: Mapping[str, str],
        sha256_of: Callable[[Iterable[str]], Mapping[str, str]] | None,
    ) -> tuple[Damage, ...]:
        """Return the damage of the modes of a folder whose files are intact, by its sha256 with ``sha256_of``."""
        data = self._remote.read(_path(content))
        location = f"{self._remote.location}/{_path(content)}"
        if data is None:
            return (Damage("", location, is_missing=True),)
        try:
            modes = json.loads(data)
            is_right = isinstance(modes, dict) and modes.keys() <= listing.keys()
        except (ValueError, RecursionError):
            is_right = False
        if is_right and sha256_of:
            digests = sha256_of(listing.values())
            entries = (
                ManifestEntry(file, modes.get(file, REGULAR_MODE), key, digests[key], 0)
                for file, key in listing.items()
            )
            is_right = manifest_sha256(entries) == content.sha256
        elif is_right and (cached := self._read_cached(content)):
            is_right = json.loads(cached) == modes
        return () if is_right else (Damage("", location, is_missing=False),)

    def _read_cached(self, content: Content) -> bytes:
        try:
            return self._cache.modes_path(content).read_text("utf-8").encode()
        except FileNotFoundError:
            return b""


def _path(content: Content) -> str:
    return f"{MODES_FOLDER}/{content.digest}/{content.sha256}.json"
