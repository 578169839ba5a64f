"""Opens datastores of the type `azure_data_lake_gen1` by WebHDFS, the protocol that the service had until it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage._hdfs import HdfsFiles
from reconciler.storage.datastores._credentials import read_credentials
from reconciler.storage.datastores._errors import NO_CREDENTIAL
from reconciler.storage.datastores._folders import FolderDatastore
from reconciler.storage.datastores._fsspec import NO_CACHE
from reconciler.storage.datastores._streams import iterate_source

_LABELS = {"/password": "password", "/delegation_token": "delegation token"}
_PORT = 9870


class WebHdfsDatastore(FolderDatastore):
    """The files below a folder of HDFS."""

    def _create(self, filesystem: AbstractFileSystem, path: str, stream: BinaryIO) -> Mapping[str, Any]:
        info: Mapping[str, Any] = filesystem.write_stream(path, iterate_source(stream))
        return info

    def _replace(self, filesystem: AbstractFileSystem, old: str, new: str) -> None:
        filesystem.replace_file(old, new)


def open_data_lake_gen1(settings: DatastoreSettings) -> WebHdfsDatastore:
    """Return the datastore behind the WebHDFS endpoint that mlgit.yml names.

    Raises UserError ``datastore-settings`` without one: Data Lake Gen1 itself was shut down in February 2024.
    """
    own = settings.settings
    parts = urlsplit(str(own.get("endpoint") or ""))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"datastore/{settings.name}: Azure Data Lake Gen1 has ended, and mlgit.yml names no other endpoint"
        hint = f"add `endpoint: https://HOST:PORT`, of WebHDFS, to datastores: {settings.name}: in mlgit.yml"
        raise user_error("datastore-settings", message, hint)
    user = own.get("user")
    credentials = read_credentials(settings, _LABELS, f"the user {user}" if user else NO_CREDENTIAL)
    host, port, root = parts.hostname, parts.port or _PORT, f"/{str(own.get('path') or '').strip('/')}"
    options: dict[str, Any] = {"user": user, "use_https": parts.scheme == "https", **NO_CACHE}
    if token := credentials.values.get("delegation_token"):
        options |= {"token": token, "user": None}
    elif password := credentials.values.get("password"):
        options |= {"password": password}
    location = f"{parts.scheme}://{host}:{port}{root}".rstrip("/")
    place = credentials.place(settings.name, location)
    return WebHdfsDatastore(place, lambda: HdfsFiles(host, port, **options), root)
