"""Opens datastores of S3, and of what speaks its protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fsspec import AbstractFileSystem
from s3fs import S3FileSystem

from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._credentials import read_credentials, required
from reconciler.storage.datastores._errors import NO_CREDENTIAL, OWN_IDENTITY
from reconciler.storage.datastores._fsspec import NO_CACHE
from reconciler.storage.datastores._objects import ObjectDatastore

_LABELS = {
    "/access_key_id": "access key id",
    "/secret_access_key": "secret access key",
    "/session_token": "session token",
}


class S3Names(S3FileSystem):  # type: ignore[misc]
    """s3fs's file system with paths as they are: ``BUCKET/KEY``, in which a question mark is one."""

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _slash, key = path.lstrip("/").partition("/")
        return bucket, key, None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.strip("/")


class S3Datastore(ObjectDatastore):
    """The objects of a bucket, or of a folder of one."""

    def _check_root(self, filesystem: AbstractFileSystem) -> None:
        # Not HEAD: its answers have no code, so that a wrong key looks like a missing permission.
        filesystem.call_s3("list_objects_v2", Bucket=self._root.partition("/")[0], MaxKeys=1)

    def _info(self, full_path: str) -> Mapping[str, Any]:
        try:
            return super()._info(full_path)
        except PermissionError:
            self._check_root(self._filesystem())
            raise


def open_s3(settings: DatastoreSettings) -> S3Datastore:
    """Return the datastore in a bucket; without bound secrets it is opened as the AWS tools of this machine would."""
    own = settings.settings
    is_anonymous = bool(own.get("anonymous"))
    credentials = read_credentials(settings, _LABELS, NO_CREDENTIAL if is_anonymous else OWN_IDENTITY)
    root = f"{required(settings, own, 'bucket')}/{own.get('path', '')}".strip("/")
    endpoint = own.get("endpoint")
    region = own.get("region") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    def connect() -> S3Names:
        return S3Names(
            anon=is_anonymous,
            key=credentials.values.get("access_key_id"),
            secret=credentials.values.get("secret_access_key"),
            token=credentials.values.get("session_token"),
            endpoint_url=endpoint,
            client_kwargs={"region_name": region},
            **NO_CACHE,
        )

    return S3Datastore(
        credentials.place(settings.name, f"{endpoint.rstrip('/')}/{root}" if endpoint else f"s3://{root}"),
        connect,
        root,
    )
