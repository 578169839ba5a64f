"""What mlgit runs on a node: a backend there, with a cache of objects, behind the streams of one process.

It is started by `_node_program` for a connection and ends with it; the supervisors of runs outlive it. All that it
imports is of the standard library.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from reconciler.backends import BACKENDS, _node_web
from reconciler.backends._folders import FolderBackend
from reconciler.backends._node_environment import EnvironmentFiles, find_environment, make_environment, moved
from reconciler.backends._node_messages import (
    END,
    PART_SIZE,
    Message,
    encode_message,
    error_document,
    expect_parts,
    read_message,
)
from reconciler.backends._node_store import NodeStore
from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import Content, ContentFile
from reconciler.model.providers import Handle, Phase
from reconciler.model.task_json import task_from_json
from reconciler.model.tasks import Prefix

_ACTIVE_PHASES = (Phase.PENDING, Phase.RUNNING)
Document = dict[str, Any]
# By name: a program that is started for each command imports only what it is.
_BACKENDS = {"local": "_local:LocalBackend", "ray": "_ray_node:RayNodeBackend", "slurm": "_slurm_node:SlurmNodeBackend"}
_OTHERS = {"ray-cluster": "_ray_cluster_node:ClusterHost"}
"""What answers requests of its own."""


class _Answering(Protocol):
    def answer(self, request: Document) -> Iterator[Message]: ...


class _Node:
    """The requests, each a method that yields the messages of its answer."""

    def __init__(self, folder: Path, backend: FolderBackend, stream: BinaryIO) -> None:
        self._environments = folder / "environments"
        self._store_folder = folder / "store"
        self._backend = backend
        self._stream = stream
        self._arrived: dict[str, tuple[int, int, int, int, str]] = {}  # the sha256 of objects that were received

    def answer(self, request: Document) -> Iterator[Message]:
        """Yield the answer to a request; its last message is an error if it fails."""
        try:
            yield from getattr(self, f"_{request['do']}")(request)
        except UserError as error:
            yield Message(error_document(error))
        except OSError as error:
            message = f"{os.uname().nodename}: {error.filename or ''}: {error.strerror or error}"
            yield Message(error_document(user_error("file-unusable", message, "look at the disk of this machine")))

    def _prepare(self, request: Document) -> Iterator[Message]:
        """Tell whether a run was submitted already; if not, which objects are missing, and whether its environment is.

        An object whose file has changed since it was written counts as missing if it has other bytes now.
        """
        handle = self._backend.find(request["token"])
        has_environment = find_environment(self._environments, request["environment"]) is not None
        missing = NodeStore(self._store_folder).object_files.find_damaged(request["digests"])
        yield Message(
            {"run": handle.id if handle else None, "missing": sorted(missing), "has_environment": has_environment}
        )

    def _store(self, _request: Document) -> Iterator[Message]:
        NodeStore(self._store_folder, self._arrived).receive(
            expect_parts(iter(lambda: read_message(self._stream), None))
        )
        yield Message({})

    def _fetch(self, request: Document) -> Iterator[Message]:
        """Bring objects from a storage service by the URLs of a request."""
        store, requests = NodeStore(self._store_folder, self._arrived), _web_requests(request)

        def receive(digest: str, stream: BinaryIO) -> None:
            try:
                store.put_object(digest, stream)
            except UserError as error:
                raise _node_web.RequestError(error.diagnostics[0].message) from error

        answer = _node_web.fetch(requests, receive, request["seconds"])
        store.object_files.stamps.flush()
        yield Message(answer)

    def _upload(self, request: Document) -> Iterator[Message]:
        """Send objects to a storage service by the URLs of a request."""
        store = NodeStore(self._store_folder)
        yield Message(_node_web.upload(_web_requests(request), store.open, request["seconds"]))

    def _environment(self, request: Document) -> Iterator[Message]:
        files = EnvironmentFiles.from_json(request["files"])
        make_environment(self._environments, files, NodeStore(self._store_folder))
        yield Message({})

    def _submit(self, request: Document) -> Iterator[Message]:
        """Start a run, unless contents of its task have another sha256 than they say: then it tells which."""
        task, store = task_from_json(request["task"]), NodeStore(self._store_folder, self._arrived)
        contents = [Content.from_json(document) for document, _ in request["manifests"]]
        for content, (_, files) in zip(contents, request["manifests"], strict=True):
            store.manifests[content] = tuple(ContentFile(*file) for file in files)
        if wrong := store.find_wrong(contents):
            yield Message({"wrong": [contents.index(content) for content in wrong]})
            return
        path = find_environment(self._environments, request["environment"])
        if path is None or not isinstance(task.environment, Prefix):
            message = f"the environment of {task.address} was removed from {os.uname().nodename}"
            raise user_error("environment-unusable", message, "run the command again")
        task = replace(task, environment=moved(task.environment, path, os.uname().nodename))
        yield Message({"run": self._backend.submit(task, store).id})

    def _find(self, request: Document) -> Iterator[Message]:
        handle = self._backend.find(request["token"])
        yield Message({"run": handle.id if handle else None})

    def _poll(self, request: Document) -> Iterator[Message]:
        conditions = self._backend.poll(_handle(run) for run in request["runs"])
        yield Message({"conditions": {handle.id: item.to_json() for handle, item in conditions.items()}})

    def _cancel(self, request: Document) -> Iterator[Message]:
        yield Message({"was_running": self._backend.cancel(_handle(request["run"]))})

    def _log(self, request: Document) -> Iterator[Message]:
        """Yield the log from a byte on; the end says where it ends, and whether the run was going on before."""
        handle, since = _handle(request["run"]), int(request["since"])
        is_active = self._backend.poll([handle])[handle].phase in _ACTIVE_PHASES  # asked first: the log may grow
        position = max(0, self._backend.log_size(handle) + since) if since < 0 else since
        for chunk in self._backend.log(handle, position):
            position += len(chunk)
            yield from _split(chunk)
        yield Message({"end": True, "position": position, "is_active": is_active})

    def _metrics(self, request: Document) -> Iterator[Message]:
        for chunk in self._backend.metrics(_handle(request["run"])):
            yield from _split(chunk)
        yield END

    def _collect(self, request: Document) -> Iterator[Message]:
        """Put the outputs of a run into the cache, and return their files."""
        store = NodeStore(self._store_folder)
        outputs = self._backend.collect(_handle(request["run"]), store).outputs
        yield Message(
            {
                "outputs": {
                    name: {"name": content.name, "files": [list(file) for file in store.hashed_files(content)]}
                    for name, content in outputs.items()
                }
            }
        )

    def _read(self, request: Document) -> Iterator[Message]:
        yield from NodeStore(self._store_folder).send(request["digests"])
        yield END

    def _describe(self, request: Document) -> Iterator[Message]:
        files = self._backend.describe(_handle(request["run"]))
        yield Message({"locations": dict(files.locations), "artifacts": list(files.artifacts)})

    def _run_folders(self, _request: Document) -> Iterator[Message]:
        yield Message({"folders": [list(folder) for folder in self._backend.run_folders()]})

    def _remove_run_folder(self, request: Document) -> Iterator[Message]:
        """Remove a folder that `_run_folders` has listed, unless its run goes on by now."""
        yield Message({"is_gone": self._backend.remove_listed(request["path"])})

    def _usage(self, _request: Document) -> Iterator[Message]:
        yield Message({"usage": [list(usage) for usage in self._backend.usage()]})


def serve(folder: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their stream ends; the first message has the backend to be and its settings.

    The folder exists, and belongs to the user of this process alone.
    """
    opening = read_message(requests)
    if opening is None:
        return
    threading.Thread(target=_end_with, args=(requests.fileno(),), daemon=True).start()
    answer = _make_answer(Path(folder), opening.document, requests)
    while (request := read_message(requests)) is not None:
        answers.writelines(encode_message(*message) for message in answer(request.document))
        answers.flush()


def _end_with(connection: int) -> None:
    """End this process when its connection is cut: it may read files for hours before it would answer."""
    poll = select.poll()
    poll.register(connection, 0)  # no event is asked for: those of a cut are reported in any case
    poll.poll()
    os._exit(1)


def _make_answer(folder: Path, opening: Document, requests: BinaryIO) -> Callable[[Document], Iterator[Message]]:
    """Return what answers requests: with the same error to all if the settings do not suit this machine."""
    try:
        name, settings = opening["backend"], opening["settings"]
        if name in _OTHERS:
            return cast("_Answering", BACKENDS.call(name, f"{__package__}.{_OTHERS[name]}", folder, settings)).answer
        backend: FolderBackend = BACKENDS.call(name, f"{__package__}.{_BACKENDS[name]}", folder, settings)
        return _Node(folder, backend, requests).answer
    except UserError as error:
        answer = Message(error_document(error))
        return lambda _request: iter([answer])


def _split(chunk: bytes) -> Iterator[Message]:
    for start in range(0, len(chunk), PART_SIZE):
        yield Message({}, chunk[start : start + PART_SIZE])


def _web_requests(request: Document) -> list[_node_web.WebRequest]:
    return [_node_web.WebRequest(*row) for row in request["objects"]]


def _handle(run: str) -> Handle:
    return Handle("", run)  # who asks knows of which backend it is
