"""Requests to storage services that anybody may send for a time, signed by the credential of a store: they are secrets.

S3 signs that a request creates a file with these very bytes, and only if there is none. Azure signs that it creates a
file that is not there; whether its bytes are right is checked afterwards. Its client is loaded by name: it is an extra.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
from collections.abc import Mapping
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.asyn import sync

from reconciler.model.grants import Access, Grant

_EARLIER = dt.timedelta(minutes=5)  # clocks differ


def make_grants(
    files: AbstractFileSystem, service: str, md5s: Mapping[str, str], access: Access, seconds: int
) -> tuple[Grant, ...] | None:
    """Return a request for each file, by its path and the md5 of its bytes; None if the service has no such.

    Raises what its driver does.
    """
    if service == "s3":
        return tuple(_grant_on_s3(files, path, md5, access, seconds) for path, md5 in md5s.items())
    if service == "azure" and _can_sign_for_azure(files):
        azure = _AzureGrants(files, seconds)
        return tuple(azure.grant(path, md5, access) for path, md5 in md5s.items())
    return None


def _grant_on_s3(files: AbstractFileSystem, path: str, md5: str, access: Access, seconds: int) -> Grant:
    if access is Access.READ:
        return Grant(files.url(path, expires=seconds))
    signed = {"ContentMD5": _encode(md5), "IfNoneMatch": "*"}
    url = files.url(path, expires=seconds, client_method="put_object", **signed)
    return Grant(url, {"Content-MD5": signed["ContentMD5"], "If-None-Match": "*"})


class _AzureGrants:
    """What makes requests of Azure for some seconds; without an account key, the service is asked for a key first."""

    def __init__(self, files: Any, seconds: int) -> None:
        self._blob = importlib.import_module("azure.storage.blob")
        now = dt.datetime.now(dt.UTC)
        self._client, self._expiry = files.service_client, now + dt.timedelta(seconds=seconds)
        self._keys = {"account_key": files.account_key} if files.account_key else {}
        if not self._keys:
            key = sync(files.loop, self._client.get_user_delegation_key, now - _EARLIER, self._expiry)
            self._keys = {"user_delegation_key": key}

    def grant(self, path: str, md5: str, access: Access) -> Grant:
        """Return the request for one file."""
        container, _, name = path.partition("/")
        url: str = self._client.get_blob_client(container, name).url
        is_read = access is Access.READ
        query = self._blob.generate_blob_sas(
            self._client.account_name,
            container,
            name,
            **self._keys,
            permission=self._blob.BlobSasPermissions(read=is_read, create=not is_read),
            expiry=self._expiry,
            protocol="https" if url.startswith("https:") else None,
        )
        headers = {} if is_read else {"x-ms-blob-type": "BlockBlob", "Content-MD5": _encode(md5)}
        return Grant(f"{url}?{query}", headers)


def _can_sign_for_azure(files: Any) -> bool:
    """Return False for a store that is opened with a SAS token: it signs no other one, and is given to nobody."""
    return bool(files.account_key or (files.credential and not files.sas_token))


def _encode(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode()
