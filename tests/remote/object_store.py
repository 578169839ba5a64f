"""The remote reference store: an object store in another process, reached through a socket, that shares no folder.

It is a plug-in as others would write one (`install_remote_plugins`), so that no assumption of one disk creeps in.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlsplit

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.content import FOLDER_SUFFIX, Content, ContentFile, Damage, HashedFile, StoredObject, UploadFile
from reconciler.model.grants import Access
from reconciler.model.object_store import StoreContext, check_entry_name, unreachable_error
from reconciler.model.plugins import StorePlugin
from reconciler.storage.assembly import assemble_by_reading
from reconciler.storage.dvc_listing import encode_listing
from reconciler.storage.manifest import (
    MAX_LINK_BYTES,
    REGULAR_MODE,
    SYMLINK_MODE,
    ManifestEntry,
    check_link,
    check_mode,
    check_path,
    check_path_conflicts,
    manifest_sha256,
    special_modes,
)

CHUNK_SIZE = 1 << 16
SETTINGS = {
    "type": "object",
    "properties": {"url": {"type": "string", "minLength": 1}, "timeout": {"type": "number", "exclusiveMinimum": 0}},
    "required": ["url"],
    "additionalProperties": False,
}
STORE = StorePlugin(open="remote.object_store:open_remote_store", settings=SETTINGS)


def open_remote_store(settings: Mapping[str, Json], _context: StoreContext) -> RemoteStore:
    """Return the store that settings of mlgit.yml name."""
    return RemoteStore(settings["url"], settings.get("timeout", 60))


class RemoteStore:
    """A client of the server."""

    def __init__(self, url: str, timeout: float = 60) -> None:
        self.location = url
        self._address = urlsplit(url).netloc
        self._timeout = timeout

    @property
    def id(self) -> str:
        self.create("store/id", uuid.uuid4().hex.encode())
        return self.find_id()

    def find_id(self) -> str:
        return (self.read("store/id") or b"").decode()

    def put(self, files: Iterable[UploadFile]) -> Content:
        entries = [self._put_source(file) for file in files]
        check_path_conflicts(entry.path for entry in entries)
        listing, sha256 = encode_listing({entry.path: entry.md5 for entry in entries}), manifest_sha256(entries)
        digest = hashlib.md5(listing, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX
        self._upload(digest, io.BytesIO(listing), len(listing), "the list of files")
        self.create(f"modes/{sha256}", json.dumps(special_modes(entries)).encode())
        return Content(digest, sha256, sum(entry.size for entry in entries), len(entries))

    def put_file(self, name: str, stream: BinaryIO) -> Content:
        check_path(name)
        return Content(*self._put_stream(name, stream), 1, name)

    def manifest(self, content: Content) -> tuple[ContentFile, ...]:
        if not content.is_folder:
            return (ContentFile(content.name or content.digest, REGULAR_MODE, content.digest),)
        files, modes = self._load_listing(content.digest), json.loads(self.read(f"modes/{content.sha256}") or b"{}")
        return tuple(ContentFile(path, modes.get(path, REGULAR_MODE), key) for path, key in sorted(files.items()))

    def open(self, digest: str) -> BinaryIO:
        connection = self._connect()
        response = self._request(connection, "GET", f"objects/{digest}")
        if response.status != http.client.OK:
            connection.close()
            raise user_error("content-missing", f"content {digest} is missing in the store at {self.location}")
        return cast("BinaryIO", io.BufferedReader(RemoteStream(self, connection, response), CHUNK_SIZE))

    def local(self, _digest: str) -> None:
        return None

    def fetch(self, digests: Iterable[str]) -> None:
        """Do nothing: it keeps no copies on this machine."""

    def grant(self, _digests: Iterable[str], _access: Access, _seconds: int) -> None:
        """Return None: the server takes no signatures."""

    def assemble(self, files: Iterable[HashedFile], name: str = "") -> Content:
        return assemble_by_reading(self, files, name)

    def missing(self, digests: Iterable[str]) -> frozenset[str]:
        wanted = list(dict.fromkeys(digests))
        missing = set(self._missing_objects(wanted))
        for digest in (digest for digest in wanted if digest.endswith(FOLDER_SUFFIX) and digest not in missing):
            try:
                files = self._load_listing(digest)
            except UserError as error:
                if error.diagnostics[0].code == "store-unreachable":
                    raise
                missing.add(digest)
            else:
                missing |= {digest} if self._missing_objects(list(files.values())) else set()
        return frozenset(missing)

    def verify(self, content: Content, *, deep: bool = False) -> tuple[Damage, ...]:
        if damages := self._damages({content.digest: [content.name]}):
            return damages
        if not content.is_folder:
            return ()
        paths: dict[str, list[str]] = {}
        for file in self.manifest(content):
            paths.setdefault(file.digest, []).append(file.path)
        if self.read(f"modes/{content.sha256}") is None:
            return (Damage("", f"{self.location}/entries/modes/{content.sha256}", is_missing=True),)
        return self._damages(paths)

    def has_recorded_sha256(self, content: Content) -> bool:
        return not self.verify(content)

    def keep(self, content: Content) -> bool:
        if self._ask_json("keep/", [content.digest]):
            return False
        files = self._load_listing(content.digest).values() if content.is_folder else ()
        return self._ask_json("keep/", list(files)) == []

    def objects(self) -> Iterator[StoredObject]:
        yield from (StoredObject(*row) for row in self._ask_json("list/", None))

    def remove(self, digests: Iterable[str], before: float) -> frozenset[str]:
        return frozenset(self._ask_json("remove/", {"keys": list(digests), "before": before}))

    def create(self, name: str, data: bytes) -> bool:
        check_entry_name(name)
        return self._ask("PUT", f"entries/{name}", io.BytesIO(data), len(data)).status == http.client.CREATED

    def replace(self, name: str, data: bytes) -> None:
        check_entry_name(name)
        self._ask("PUT", f"entries/{name}?replace=1", io.BytesIO(data), len(data))

    def read(self, name: str) -> bytes | None:
        check_entry_name(name)
        response = self._ask("GET", f"entries/{name}")
        return response.read() if response.status == http.client.OK else None

    def list(self, prefix: str) -> tuple[str, ...]:
        return tuple(json.loads(self._ask("GET", f"entries/?prefix={quote(prefix)}").read()))

    def delete(self, name: str) -> None:
        check_entry_name(name)
        self._ask("DELETE", f"entries/{name}")

    def control(self, order: Json) -> Json:
        """Tell the server to misbehave; return the keys of its objects."""
        return self._ask_json("control/", order)

    def _load_listing(self, digest: str) -> dict[str, str]:
        with self.open(digest) as stream:
            listing = stream.read()
        if hashlib.md5(listing, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX != digest:
            raise user_error("content-corrupt", f"content {digest} at {self.location} is corrupt")
        return {entry["relpath"]: entry["md5"] for entry in json.loads(listing)}

    def _put_source(self, file: UploadFile) -> ManifestEntry:
        check_path(file.path)
        check_mode(file.path, file.mode)
        with file.open() as stream:
            if file.mode != SYMLINK_MODE:
                return ManifestEntry(file.path, file.mode, *self._put_stream(file.path, stream))
            target = stream.read(MAX_LINK_BYTES + 1)
        check_link(file.path, target)
        return ManifestEntry(file.path, file.mode, *self._put_stream(file.path, io.BytesIO(target)))

    def _put_stream(self, name: str, stream: BinaryIO) -> tuple[str, str, int]:
        if stream.seekable():
            return self._put_seekable(name, stream)
        with tempfile.TemporaryFile() as copy:
            while chunk := stream.read(CHUNK_SIZE):
                copy.write(chunk)
            copy.seek(0)
            return self._put_seekable(name, cast("BinaryIO", copy))

    def _put_seekable(self, name: str, stream: BinaryIO) -> tuple[str, str, int]:
        start = stream.tell()
        md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        while chunk := stream.read(CHUNK_SIZE):
            md5.update(chunk)
            sha256.update(chunk)
            size += len(chunk)
        stream.seek(start)
        self._upload(md5.hexdigest(), stream, size, name)
        return md5.hexdigest(), sha256.hexdigest(), size

    def _upload(self, key: str, stream: BinaryIO, size: int, name: str) -> None:
        if not self._damages({key: [name]}) and self._ask_json("keep/", [key]) == []:
            return
        if self._ask("PUT", f"objects/{key}", stream, size).status != http.client.CREATED:
            raise user_error("file-changed", f"{name} was modified while it was stored")

    def _missing_objects(self, keys: list[str]) -> list[str]:
        return cast("list[str]", self._ask_json("missing/", keys))

    def _damages(self, paths: Mapping[str, Iterable[str]]) -> tuple[Damage, ...]:
        damaged = cast("dict[str, str]", self._ask_json("damaged/", list(paths)))
        return tuple(
            Damage(path, f"{self.location}/objects/{key}", damage == "missing")
            for key, damage in damaged.items()
            for path in (paths[key] if damage else ())
        )

    def _ask_json(self, path: str, document: Json) -> Json:
        body = json.dumps(document).encode()
        return json.loads(self._ask("POST", path, io.BytesIO(body), len(body)).read())

    def _ask(self, method: str, path: str, body: BinaryIO | None = None, size: int = 0) -> Answer:
        connection = self._connect()
        try:
            response = self._request(connection, method, path, body, size)
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise unreachable_error(self.location, error) from error
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=self._timeout)

    def _request(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: BinaryIO | None = None,
        size: int = 0,
    ) -> http.client.HTTPResponse:
        headers = {"Content-Length": str(size), "Connection": "close"}
        try:
            connection.request(method, f"/{path}", body, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise unreachable_error(self.location, error) from error


@dataclass(frozen=True)
class Answer:
    """A short answer of the server, read to its end."""

    status: int
    data: bytes

    def read(self) -> bytes:
        return self.data


class RemoteStream(io.RawIOBase):
    """The bytes of an object as they come; one that breaks off is an error, not the end."""

    def __init__(
        self, store: RemoteStore, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._store = store
        self._connection = connection
        self._response = response
        self._rest = int(response.headers["Content-Length"])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._response.read(min(len(buffer), self._rest)) if self._rest else b""
        except (OSError, http.client.HTTPException) as error:
            raise unreachable_error(self._store.location, error) from error
        if self._rest and not chunk:
            raise unreachable_error(self._store.location, "the connection was lost")
        self._rest -= len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._response.close()
        self._connection.close()
        super().close()


class RemoteBench:
    """The server of a remote store and what a test can do to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> RemoteStore:
        """Open the store once more, as another process would."""
        return RemoteStore(self.url)

    def start(self) -> None:
        """Start the server, on the port that it had before."""
        server = Path(__file__).with_name("object_store_server.py")
        command = [sys.executable, str(server), str(self._folder), *([str(self._port)] if self._port else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """End the server: the store is unreachable."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def order(self, **order: Any) -> None:
        """Make the server misbehave: see ``Shelf.control``."""
        self.open().control(order)

    def damage(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it."""
        self.order(damage=digest, data=None if data is None else data.decode("latin-1"))

    def age(self) -> float:
        """Make all objects old; return a time that all of them are older than."""
        now = time.time()
        self.order(age=now - 7200)
        return now - 3600

    def is_empty(self) -> bool:
        return self.open().list("") == () and self.open().control({}) == []


def install_remote_plugins(folder: Path) -> None:
    """Make this store and the reference backend plug-ins named ``remote`` of processes with a folder on their path."""
    metadata = folder / "remote-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: remote\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[mlgit.stores]\nremote = remote.object_store:STORE\n[mlgit.backends]\nremote = remote.backend_server:REMOTE\n"
    )
