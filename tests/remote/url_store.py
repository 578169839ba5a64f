"""Stores on storage services, to test: each opening has a cache of its own, as another machine would have."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adlfs import AzureBlobFileSystem
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from s3fs import S3FileSystem
from services.azurite import ACCOUNTS, Azurite
from services.moto_s3 import MotoS3
from services.sftp import SftpServer
from services.webhdfs import WebHdfs

from reconciler.model.object_store import ObjectStore, StoreContext
from reconciler.storage._hdfs import HdfsFiles
from reconciler.storage.stores import open_store

_UNCACHED = {"skip_instance_cache": True, "use_listings_cache": False}


@dataclass
class UrlBench:
    """A store on a service: its settings, the values of its secrets, and the service's own client."""

    folder: Path
    settings: dict[str, Any]
    secrets: dict[str, str]
    client: AbstractFileSystem
    root: str
    caches: list[Path] = field(default_factory=list)

    def open(self, **settings: Any) -> ObjectStore:
        """Open the store as another machine would."""
        self.caches.append(self.folder / f"cache-{len(self.caches)}-{uuid.uuid4().hex[:4]}")
        return self.open_here(cache=str(self.caches[-1]), **settings)

    def open_here(self, **settings: Any) -> ObjectStore:
        """Open the store with a cache that is given."""
        return open_store("url", {**self.settings, **settings}, StoreContext(str(self.folder), self.secrets.get))

    def damage(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it, on the service and in all caches."""
        name = f"files/md5/{digest[:2]}/{digest[2:]}"
        self.damage_remote(digest, data)
        for path in (cache / name for cache in self.caches):
            if path.exists():
                path.chmod(0o644)
                path.unlink() if data is None else path.write_bytes(data)

    def damage_remote(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it, on the service only."""
        path = f"{self.root}/files/md5/{digest[:2]}/{digest[2:]}"
        self.client.rm_file(path) if data is None else self.client.pipe_file(path, data)

    def age(self) -> float:
        """Wait until all objects are older than a time, which is returned; services have whole seconds."""
        time.sleep(1.1)
        return float(int(time.time()))

    def is_empty(self) -> bool:
        client = self.client
        return not (client.exists(self.root) and client.find(self.root)) and not any(map(Path.exists, self.caches))

    def stop(self) -> None:
        """Do nothing: the service runs on."""


def make_s3_bench(service: MotoS3, folder: Path) -> UrlBench:
    """Return a bench for an empty store on S3."""
    key, secret = service.keys["writer"]
    client = S3FileSystem(key=key, secret=secret, endpoint_url=service.url, **_UNCACHED)
    root = f"{service.make_bucket()}/team/store"
    settings = {"url": f"s3://{root}", "endpoint": service.url, "region": "us-east-1"}
    return UrlBench(folder, settings, {"/access_key_id": key, "/secret_access_key": secret}, client, root)


def make_azure_bench(service: Azurite, folder: Path) -> UrlBench:
    """Return a bench for an empty store on Azure Blob Storage."""
    account = ACCOUNTS[0]
    connection = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={service.key};"
    client = AzureBlobFileSystem(connection_string=f"{connection}BlobEndpoint={service.url()};", **_UNCACHED)
    root = f"{service.make_container()}/team/store"
    settings = {"url": f"az://{root}", "account": account, "endpoint": service.url()}
    return UrlBench(folder, settings, {"/account_key": service.key}, client, root)


def make_sftp_bench(service: SftpServer, folder: Path) -> UrlBench:
    """Return a bench for an empty store on a server of sftp, whose files are on this machine."""
    root = folder / "served"
    settings = {
        "url": f"sftp://{service.user}@127.0.0.1:{service.port}{root}",
        "key_file": str(service.folder / "client"),
        "known_hosts": str(service.folder / "known_hosts"),
    }
    return UrlBench(folder, settings, {}, LocalFileSystem(), str(root))


def make_hdfs_bench(service: WebHdfs, folder: Path) -> UrlBench:
    """Return a bench for an empty store on HDFS."""
    root = f"{service.make_folder()}/team/store"
    settings = {"url": f"webhdfs://{service.user}@127.0.0.1:{service.port}{root}"}
    return UrlBench(folder, settings, {}, HdfsFiles("127.0.0.1", service.port, user=service.user, **_UNCACHED), root)


SERVICES: Mapping[str, tuple[str, Callable[[Any, Path], UrlBench]]] = {
    "s3": ("s3_server", make_s3_bench),
    "sftp": ("sftp_server", make_sftp_bench),
    "azure": ("azurite", make_azure_bench),
    "webhdfs": ("hdfs", make_hdfs_bench),
}
"""By name: the fixture of a service, and what makes a bench of it."""
