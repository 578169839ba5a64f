"""A reference backend in another process behind a loopback socket; it shares no folder with its callers.

Run as a program it serves: ``python backend_server.py FOLDER PORT``, and prints its port. `RemoteBackend` is the
plug-in that talks to it. What it does with a request is what the backend `local` does, in the folder and the store of
the server. The file ``slow`` in its folder delays all answers; `stop` and `start` of a `ServerProcess` make it
unreachable, and a restart makes it forget all that is not in its folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import MappingProxyType
from typing import Any

from reconciler.backends import load_backend, local
from reconciler.diagnostics import UserError, user_error
from reconciler.model.backend import Backend, RunFiles, RunResult
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.plugins import BackendPlugin
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.tasks import Environment, Prefix, Task, TaskContent
from reconciler.storage.disk_files import put_path
from reconciler.storage.folder_store import FolderStore

ForkingPickler.register(MappingProxyType, lambda mapping: (dict, (dict(mapping),)))

REMOTE = BackendPlugin(
    open="remote.backend_server:RemoteBackend",
    settings={
        "type": "object",
        "properties": {"port": {"type": "integer"}, "timeout": {"type": "number"}},
        "required": ["port"],
        "additionalProperties": False,
    },
    support=local.BACKEND.support,
)
PYTHON = Prefix(str(Path(sys.executable).parent.parent), "here")
_KEY = b"reference"
_REFUSED = "refused"
_CHUNK_SIZE = 1 << 16
_TIMEOUT_SECONDS = 30.0


class RemoteBackend:
    """The plug-in: every method is one request to the server on ``port`` of the settings."""

    def __init__(self, settings: Mapping[str, Any], _folder: Path) -> None:
        self._port = int(settings["port"])
        self._timeout = float(settings.get("timeout", _TIMEOUT_SECONDS))

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        for content in _contents_of(task):
            if not self._ask("has", content):
                self._upload(store, content)
        handle = self._ask("submit", task)
        return replace(handle, provider="remote")

    def find(self, token: str) -> Handle | None:
        handle = self._ask("find", token)
        return replace(handle, provider="remote") if handle else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        wanted = list(handles)
        try:
            conditions = self._ask("poll", wanted) if wanted else {}
        except UserError as error:
            return {handle: Condition(Phase.UNKNOWN, message=error.diagnostics[0].message) for handle in wanted}
        return conditions

    def cancel(self, handle: Handle) -> bool:
        return bool(self._ask("cancel", handle))

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        while True:
            is_active = follow and self.poll([handle])[handle].phase in (Phase.PENDING, Phase.RUNNING)
            for chunk in self._stream("log", handle, since):
                since += len(chunk)
                yield chunk
            if not is_active:
                return
            time.sleep(0.1)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        return self._stream("metrics", handle)

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        outputs = {}
        for name, content in self._ask("collect", handle).items():
            with TemporaryDirectory() as folder:
                outputs[name] = _download(self._stream, content, store, Path(folder))
        return RunResult(outputs)

    def describe(self, handle: Handle) -> RunFiles:
        files = self._ask("describe", handle)
        return RunFiles({"host": f"127.0.0.1:{self._port}"}, files.artifacts)

    def check_environment(self, _environment: Environment) -> None:
        """Accept any."""

    def usage(self) -> Iterable[Usage]:
        usages: Iterable[Usage] = self._ask("usage")
        return usages

    def _upload(self, store: ObjectStore, content: Content) -> None:
        with self._connect() as connection:
            connection.send(("put", content))
            for file in store.manifest(content):
                connection.send((file.path, file.mode))
                with store.open(file.digest) as stream:
                    while chunk := stream.read(_CHUNK_SIZE):
                        connection.send_bytes(chunk)
                connection.send_bytes(b"")
            connection.send(None)
            _receive(connection, self._timeout)

    def _ask(self, request: str, *arguments: Any) -> Any:
        with self._connect() as connection:
            connection.send((request, *arguments))
            return _receive(connection, self._timeout)

    def _stream(self, request: str, *arguments: Any) -> Iterator[bytes]:
        with self._connect() as connection:
            connection.send((request, *arguments))
            _receive(connection, self._timeout)
            while chunk := connection.recv_bytes():
                yield chunk

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with Client(("127.0.0.1", self._port), authkey=_KEY) as connection:
                yield connection
        except (OSError, EOFError) as error:
            raise user_error("backend-unreachable", f"127.0.0.1:{self._port} does not answer", "try later") from error


def _contents_of(task: Task) -> Iterator[Content]:
    if task.code:
        yield task.code
    yield from (job_input.content for job_input in task.inputs.values() if isinstance(job_input, TaskContent))


def _receive(connection: Connection, timeout: float) -> Any:
    """Return the answer of the server; raise the error that it sends, or OSError if it does not answer in time."""
    if not connection.poll(timeout):
        raise TimeoutError
    answer = connection.recv()
    if isinstance(answer, tuple) and answer[:1] == (_REFUSED,):
        raise UserError(*answer[1])
    return answer


def _download(stream: Callable[..., Iterator[bytes]], content: Content, store: ObjectStore, folder: Path) -> Content:
    """Put a content of the server into a store of the caller."""
    root = folder / "content"
    root.mkdir()
    files: dict[str, int] = {}
    name = ""
    for chunk in stream("get", content):
        kind, data = chunk[:1], chunk[1:]
        if kind == b"F":
            mode, _, name = data.decode().partition(" ")
            files[name] = int(mode)
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch(0o755 if int(mode) & 0o111 else 0o644)
        else:
            with (root / name).open("ab") as file:
                file.write(data)
    return put_path(store, root) if content.is_folder else put_path(store, root / name, name)


class Server:
    """The other side: a local backend with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FolderStore(folder / "store")
        self._backend: Backend = load_backend({"type": "local"}, folder / "backend")

    def serve(self, listener: Listener) -> None:
        """Answer requests for ever, each connection in a thread."""
        while True:
            with suppress(OSError, EOFError):
                connection = listener.accept()
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        with suppress(OSError, EOFError), connection:
            request, *arguments = connection.recv()
            while (self._folder / "slow").exists():
                time.sleep(0.05)
            try:
                getattr(self, f"_{request}")(connection, *arguments)
            except UserError as error:
                connection.send((_REFUSED, error.diagnostics))

    def _has(self, connection: Connection, content: Content) -> None:
        connection.send(not self._store.missing([content.digest]))

    def _put(self, connection: Connection, content: Content) -> None:
        with TemporaryDirectory(dir=self._folder) as folder:
            root = Path(folder, "content")
            root.mkdir()
            path = root
            while (head := connection.recv()) is not None:
                path = root / head[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    while chunk := connection.recv_bytes():
                        file.write(chunk)
                path.chmod(0o755 if head[1] & 0o111 else 0o644)
            stored = put_path(self._store, root) if content.is_folder else put_path(self._store, path, content.name)
        connection.send(stored)

    def _submit(self, connection: Connection, task: Task) -> None:
        connection.send(self._backend.submit(task, self._store))

    def _find(self, connection: Connection, token: str) -> None:
        connection.send(self._backend.find(token))

    def _poll(self, connection: Connection, handles: list[Handle]) -> None:
        connection.send(dict(self._backend.poll(handles)))

    def _cancel(self, connection: Connection, handle: Handle) -> None:
        connection.send(self._backend.cancel(handle))

    def _describe(self, connection: Connection, handle: Handle) -> None:
        connection.send(self._backend.describe(handle))

    def _usage(self, connection: Connection) -> None:
        connection.send(tuple(self._backend.usage()))

    def _collect(self, connection: Connection, handle: Handle) -> None:
        connection.send(dict(self._backend.collect(handle, self._store).outputs))

    def _log(self, connection: Connection, handle: Handle, since: int) -> None:
        _send_stream(connection, self._backend.log(handle, since))

    def _metrics(self, connection: Connection, handle: Handle) -> None:
        _send_stream(connection, self._backend.metrics(handle))

    def _get(self, connection: Connection, content: Content) -> None:
        _send_stream(connection, self._file_chunks(content))

    def _file_chunks(self, content: Content) -> Iterator[bytes]:
        for file in self._store.manifest(content):
            yield f"F{file.mode} {file.path}".encode()
            with self._store.open(file.digest) as stream:
                while chunk := stream.read(_CHUNK_SIZE):
                    yield b"D" + chunk


def _send_stream(connection: Connection, chunks: Iterator[bytes]) -> None:
    """Send that the stream begins, or the error instead, then its chunks, then an empty one."""
    first = next(chunks, b"")
    connection.send(True)
    for chunk in [first, *chunks] if first else ():
        connection.send_bytes(chunk)
    connection.send_bytes(b"")


@dataclass
class ServerProcess:
    """The server as a process that a test starts and stops."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None)

    def start(self) -> None:
        """Start the server, on the port that it had before."""
        command = [sys.executable, __file__, str(self.folder), str(self.port)]
        tests = Path(__file__).parent.parent
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.folder)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill the server; its runs go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Let no request be answered."""
        (self.folder / "slow").touch()
        try:
            yield
        finally:
            (self.folder / "slow").unlink()


if __name__ == "__main__":
    with Listener(("127.0.0.1", int(sys.argv[2])), authkey=_KEY, backlog=64) as server_listener:
        print(server_listener.address[1], flush=True)
        Server(Path(sys.argv[1])).serve(server_listener)
