"""Opens datastores of shares by SMB: those of Azure Files, of Windows and of Samba."""

from __future__ import annotations

import datetime as dt
import re
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import smbclient
from fsspec import AbstractFileSystem
from fsspec.implementations.smb import SMBFileSystem
from smbprotocol.exceptions import SMBOSError

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._causes import BAD_NAME
from reconciler.storage.datastores._credentials import read_credentials, required
from reconciler.storage.datastores._errors import OWN_IDENTITY, make_error
from reconciler.storage.datastores._folders import FolderDatastore
from reconciler.storage.datastores._fsspec import NO_CACHE

_LABELS = {"/credentials/account_key": "account key", "/password": "password"}
_DEFAULT_SUFFIX = "core.windows.net"
_PORT = 445
# What Windows does not allow in names; a backslash would lead to another folder.
_NOT_ALLOWED = re.compile(r'[\\:*?"<>|\x00-\x1f]|(?:[^./]\.+|[^./ ] +|\.{3,})(?:/|$)')
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


class ShareFileSystem(SMBFileSystem):  # type: ignore[misc]
    """fsspec's file system of shares, with connections of its own.

    Those of smbclient are the process's: after the first connection, no password is needed. And a listing has what
    it says of its files, where fsspec asks again for each of them.
    """

    def __init__(self, host: str, **options: Any) -> None:
        self._session: dict[str, Any] = {"connection_cache": {}}
        super().__init__(host, **options)

    def _connect(self) -> None:
        self._session |= {"port": self._port, "username": self.username, "password": self.password}
        smbclient.register_session(self.host, connection_timeout=self.timeout, **self._session)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        found = smbclient.stat(self._unc(path), **self._session)
        modified = _EPOCH + dt.timedelta(microseconds=found.st_mtime_ns // 1000)
        return _info(path, found.st_size, modified, is_folder=stat.S_ISDIR(found.st_mode))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002 - as fsspec has it
        with smbclient.scandir(self._unc(path), **self._session) as entries:
            infos = [
                _info(
                    f"{path.rstrip('/')}/{entry.name}",
                    entry.smb_info.end_of_file,
                    entry.smb_info.last_write_time.astimezone(dt.UTC),
                    is_folder=entry.is_dir(),
                )
                for entry in entries
            ]
        return infos if detail else [info["name"] for info in infos]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        share = "r" if mode == "rb" else None
        return smbclient.open_file(self._unc(path), mode, share_access=share, **self._session)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as fsspec has it
        if path.strip("/").count("/"):  # a share cannot be made
            smbclient.makedirs(self._unc(path), exist_ok=exist_ok, **self._session)

    def rm_file(self, path: str) -> None:
        smbclient.remove(self._unc(path), **self._session)

    def replace(self, old: str, new: str) -> None:
        """Rename a file, in place of one that there may be."""
        smbclient.replace(self._unc(old), self._unc(new), **self._session)

    def _unc(self, path: str) -> str:
        names = path.replace("/", "\\")
        return f"\\\\{self.host}{names}"


class ShareDatastore(FolderDatastore):
    """The files of a share."""

    ignores_case = True

    def _full_path(self, path: str) -> str:
        if _NOT_ALLOWED.search(path):
            raise make_error(BAD_NAME, self._place, path, 'names on a share have none of \\ : * ? " < > |')
        return super()._full_path(path)

    def _replace(self, filesystem: AbstractFileSystem, old: str, new: str) -> None:
        for seconds in (0.05, 0.1, 0.2, 0.4, 0.8):
            with suppress(SMBOSError):
                filesystem.replace(old, new)
                return
            time.sleep(seconds)  # a share refuses to replace a file that another client has open at the moment
        filesystem.replace(old, new)


def open_azure_file(settings: DatastoreSettings) -> ShareDatastore:
    """Return the datastore in a share of Azure Files, or of the server that mlgit.yml names in its place."""
    spec: Mapping[str, Any] = {**settings.spec, **settings.settings}
    account = required(settings, spec, "account_name")
    share = required(settings, spec, "file_share_name")
    credentials = read_credentials(settings, _LABELS, OWN_IDENTITY)
    if "sas_token" in (settings.spec.get("credentials") or {}) or settings.secret_name("/credentials/sas_token"):
        message = (
            f"datastore/{settings.name} has a SAS token, and shares are opened by SMB, which takes account keys only"
        )
        raise user_error("datastore-settings", message, "bind the account key, with the field /credentials/account_key")
    suffix = settings.spec.get("endpoint") or _DEFAULT_SUFFIX
    host, port = _find_server(settings, f"smb://{account}.file.{suffix}")
    user = str(settings.settings.get("user") or account)
    password = credentials.values.get("password") or credentials.values.get("account_key")

    def connect() -> ShareFileSystem:
        return ShareFileSystem(host, port=port, username=user, password=password, timeout=20, **NO_CACHE)

    return ShareDatastore(credentials.place(settings.name, f"smb://{host}:{port}/{share}"), connect, f"/{share}")


def _find_server(settings: DatastoreSettings, default: str) -> tuple[str, int]:
    parts = urlsplit(str(settings.settings.get("endpoint") or default))
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        message = f"the endpoint of datastore/{settings.name} is no address of a server"
        raise user_error("datastore-settings", message, "write it as `smb://HOST:PORT`")
    return host, port or _PORT


def _info(path: str, size: int, modified: dt.datetime, *, is_folder: bool) -> dict[str, Any]:
    kind = "directory" if is_folder else "file"
    return {"name": path, "size": 0 if is_folder else size, "type": kind, "mtime": modified}
