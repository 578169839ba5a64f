"""adlfs's file system of Azure Blob Storage, with what datastores and stores need of it besides.

An account URL of any form (an emulator, a private cloud) and one credential, nothing from the environment; names with
any character; listings without a request for each folder; files that are read with their ETag; retries within seconds.
"""

from __future__ import annotations

import io
from asyncio import Semaphore
from typing import Any

from adlfs import AzureBlobFile, AzureBlobFileSystem
from azure.core import MatchConditions
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobServiceClient
from fsspec.asyn import sync_wrapper

from reconciler.storage.datastores._azure_client import client_options

_IS_FILE = {"is_directory": "false"}  # as adlfs has it


class BlobFileSystem(AzureBlobFileSystem):  # type: ignore[misc]
    """The containers of a storage account; paths are ``CONTAINER/BLOB``, as they are."""

    def __init__(
        self, account_url: str, account_name: str, credential: Any, audience: str = "", **options: Any
    ) -> None:
        self._client_options: dict[str, Any] = {"account_url": account_url, "audience": audience or None}
        # Whatever is not given here is looked for in the environment.
        super().__init__(account_name=account_name, credential=credential, anon=True, **options)

    def do_connect(self) -> None:
        self.service_client = BlobServiceClient(
            credential=self.credential,
            **client_options(),
            **self._client_options,
        )

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.strip("/")

    def split_path(self, path: str, *_: Any, **__: Any) -> tuple[str, str, None]:
        container, _slash, name = path.strip("/").partition("/")
        return container, name, None

    async def _find(self, path: str, *, detail: bool = False, **_: Any) -> Any:
        infos = await self._list_names(path, delimiter=None)
        files = {info["name"]: info for info in infos if info["type"] == "file"}
        return files if detail else list(files)

    async def _ls(self, path: str, detail: bool = False, **_: Any) -> Any:  # noqa: FBT001, FBT002 - as fsspec has it
        infos = await self._list_names(path, delimiter="/")
        return infos if detail else [info["name"] for info in infos]

    async def _list_names(self, path: str, delimiter: str | None) -> list[dict[str, Any]]:
        container, name, _ = self.split_path(path)
        prefix = f"{name}/" if name else ""
        async with self.service_client.get_container_client(container) as client:
            found: Any
            if delimiter:
                found = client.walk_blobs(name_starts_with=prefix, include=["metadata"], delimiter=delimiter)
            else:
                found = client.list_blobs(name_starts_with=prefix, include=["metadata"])
            # A blob whose name ends with a slash stands for a folder; so does the prefix of others.
            items = [item async for item in found if not _is_marker(item)]
        return list({info["name"]: info for info in await self._details(items)}.values())

    async def first_page(self, path: str) -> None:
        """Ask for the names below a path; that needs no more permission than to read and list."""
        container, name, _ = self.split_path(path)
        prefix = f"{name}/" if name else None
        async with self.service_client.get_container_client(container) as client:
            async for _blob in client.list_blobs(name_starts_with=prefix, results_per_page=1):
                return

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> Any:
        container, name, _version = self.split_path(path)
        async with self.service_client.get_blob_client(container, name) as client:
            return await client.upload_blob(io.BytesIO(value), length=len(value), overwrite=True, metadata=_IS_FILE)

    pipe_file = sync_wrapper(_pipe_file)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> PinnedBlobFile:
        return PinnedBlobFile(self, path, mode, block_size=block_size or self.blocksize, **options)


class PinnedBlobFile(AzureBlobFile):  # type: ignore[misc]
    """A blob that is read with the ETag that it had when it was opened."""

    def _get_loop(self) -> Any:
        return self.fs.loop  # adlfs makes it the loop of the thread besides, which it then stays

    async def _async_fetch_range(self, start: int, end: int | None = None, **_: Any) -> bytes:
        length = min(end if end is not None else self.size, self.size) - start
        async with self.fs.service_client.get_blob_client(self.container_name, self.blob) as client:
            stream = await client.download_blob(
                offset=start, length=length, etag=self.details["etag"], match_condition=MatchConditions.IfNotModified
            )
            data: bytes = await stream.readall()
            return data

    async def _stage_block(self, data: bytes, start: int, end: int, block_id: str, semaphore: Semaphore) -> str:
        block = io.BytesIO(memoryview(data)[start:end])  # aiohttp warns of large blocks that are bytes
        async with semaphore, self.fs.service_client.get_blob_client(self.container_name, self.blob) as client:
            await client.stage_block(block_id=block_id, data=block, length=end - start)
        return block_id

    _fetch_range = sync_wrapper(_async_fetch_range)


def _is_marker(item: Any) -> bool:
    return isinstance(item, BlobProperties) and str(item.name).endswith("/")
