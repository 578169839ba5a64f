"""The server of the remote reference store: ``object_store_server.py FOLDER [PORT]`` prints its port and serves.

It keeps objects and entries in a folder of its own, of which its clients know nothing, and is told to misbehave by
``POST /control``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

CHUNK_SIZE = 1 << 16


class Shelf:
    """What the server keeps."""

    def __init__(self, root: Path) -> None:
        self.objects, self.entries, self.incoming = (root / name for name in ("objects", "entries", "incoming"))
        self.make_folders()
        self.mutex = threading.Lock()
        self.delay = 0.0
        self.cut_after = -1

    def make_folders(self) -> None:
        for folder in (self.objects, self.entries, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)

    def create_entry(self, name: str, data: bytes, *, replaces: bool = False) -> bool:
        path = self.entries / name.replace("/", "+")
        with self.mutex:
            if path.exists() and not replaces:
                return False
            written = self.incoming / uuid.uuid4().hex
            written.write_bytes(data)
            written.replace(path)
        return True

    def entry_names(self) -> list[str]:
        return sorted(path.name.replace("+", "/") for path in self.entries.iterdir())

    def keep(self, keys: list[str]) -> list[str]:
        """Make objects young; return those that are missing."""
        with self.mutex:
            present = [key for key in keys if (self.objects / key).is_file()]
            for key in present:
                os.utime(self.objects / key)
        return [key for key in keys if key not in present]

    def rows(self) -> list[tuple[str, int, float]]:
        """Return key, size and time of all objects."""
        with self.mutex:
            statuses = [(path.name, path.stat()) for path in self.objects.iterdir()]
        return [(key, status.st_size, status.st_mtime) for key, status in statuses]

    def remove(self, keys: list[str], before: float) -> list[str]:
        """Remove the objects that are older than a time; return their keys."""
        with self.mutex:
            paths = [path for key in keys if (path := self.objects / key).is_file() and path.stat().st_mtime < before]
            for path in paths:
                path.unlink()
        return [path.name for path in paths]

    def damaged(self, key: str) -> str:
        """Return how an object is damaged, "" if it is not."""
        path = self.objects / key
        if not path.is_file():
            return "missing"
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return "" if md5 == key.removesuffix(".dir") else "changed"

    def control(self, order: dict) -> None:
        """Do what a test orders: ``delay`` answers, ``cut_after`` bytes of objects, ``forget``, ``age``, ``damage``."""
        self.delay = order.get("delay", self.delay)
        self.cut_after = order.get("cut_after", self.cut_after)
        if order.get("forget"):
            for folder in (self.objects, self.entries):
                shutil.rmtree(folder)
            self.make_folders()
        if "age" in order:
            for path in self.objects.iterdir():
                os.utime(path, (order["age"], order["age"]))
        if "damage" in order:
            path = self.objects / order["damage"]
            path.unlink() if order["data"] is None else path.write_bytes(order["data"].encode("latin-1"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def handle_request(self) -> None:
        """Answer one request."""
        address = urlsplit(self.path)
        group, _, name = unquote(address.path).strip("/").partition("/")
        if group != "control":
            time.sleep(self.shelf.delay)
        getattr(self, f"{self.command.lower()}_{group}")(name, parse_qs(address.query, keep_blank_values=True))

    do_GET = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815

    def put_objects(self, key: str, _query: dict) -> None:
        temporary = self.shelf.incoming / uuid.uuid4().hex
        md5, rest = hashlib.md5(usedforsecurity=False), int(self.headers["Content-Length"])
        with temporary.open("wb") as file:
            while rest and (chunk := self.rfile.read(min(rest, CHUNK_SIZE))):
                md5.update(chunk)
                file.write(chunk)
                rest -= len(chunk)
        if rest or md5.hexdigest() != key.removesuffix(".dir"):
            temporary.unlink()
            return self.answer(400)
        with self.shelf.mutex:
            temporary.replace(self.shelf.objects / key)
        return self.answer(201)

    def get_objects(self, key: str, _query: dict) -> None:
        path = self.shelf.objects / key
        if not path.is_file():
            return self.answer(404)
        with path.open("rb") as file:
            size = path.stat().st_size
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.shelf.cut_after >= 0:
                self.wfile.write(file.read(self.shelf.cut_after))
                self.close_connection = True
                return None
            shutil.copyfileobj(file, self.wfile, CHUNK_SIZE)
        return None

    def post_damaged(self, _name: str, _query: dict) -> None:
        keys = json.loads(self.body())
        self.answer(200, json.dumps({key: self.shelf.damaged(key) for key in keys}).encode())

    def post_missing(self, _name: str, _query: dict) -> None:
        keys = json.loads(self.body())
        self.answer(200, json.dumps([key for key in keys if not (self.shelf.objects / key).is_file()]).encode())

    def post_keep(self, _name: str, _query: dict) -> None:
        self.answer(200, json.dumps(self.shelf.keep(json.loads(self.body()))).encode())

    def post_list(self, _name: str, _query: dict) -> None:
        self.answer(200, json.dumps(self.shelf.rows()).encode())

    def post_remove(self, _name: str, _query: dict) -> None:
        self.answer(200, json.dumps(self.shelf.remove(**json.loads(self.body()))).encode())

    def put_entries(self, name: str, query: dict) -> None:
        is_written = self.shelf.create_entry(name, self.body(), replaces="replace" in query)
        self.answer(201 if is_written else 409)

    def get_entries(self, name: str, query: dict) -> None:
        if not name:
            names = [entry for entry in self.shelf.entry_names() if entry.startswith(query["prefix"][0])]
            return self.answer(200, json.dumps(names).encode())
        path = self.shelf.entries / name.replace("/", "+")
        return self.answer(200, path.read_bytes()) if path.exists() else self.answer(404)

    def delete_entries(self, name: str, _query: dict) -> None:
        (self.shelf.entries / name.replace("/", "+")).unlink(missing_ok=True)
        self.answer(204)

    def post_control(self, _name: str, _query: dict) -> None:
        self.shelf.control(json.loads(self.body()))
        self.answer(200, json.dumps([path.name for path in self.shelf.objects.iterdir()]).encode())

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    Handler.shelf = Shelf(Path(sys.argv[1]))
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
