"""What the backends do whose runs are started by a program on another machine, or on another disk of this one.

What a run needs goes there by digest, and its outputs come back by digest; the program is `_node`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from reconciler.backends._node_answers import (
    read_conditions,
    read_files,
    read_log_end,
    read_outputs,
    read_prepared,
    read_run,
    read_run_folders,
    read_usage,
    read_wrong,
)
from reconciler.backends._node_channel import Connection
from reconciler.backends._node_files import (
    contents_of,
    environment_paths,
    list_environment,
    send_objects,
    store_outputs,
)
from reconciler.backends._node_grants import GrantedTransfers
from reconciler.backends._node_messages import Message, expect_parts
from reconciler.diagnostics import UserError, user_error
from reconciler.model.backend import RunFiles, RunFolder, RunResult
from reconciler.model.content import Content, ContentFile
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.task_json import task_to_json
from reconciler.model.tasks import Environment, Prefix, Task
from reconciler.storage.store_errors import replaced_error

T = TypeVar("T")
_FOLLOW_SECONDS = 0.2
_FOLDER = "folder"  # in the data of a handle


class NodeClient(ABC):
    """A backend each of whose methods is a request or two to the program of a node.

    ``notes`` is the folder where this machine keeps notes, ``place`` how the machine of the node is called, ``folder``
    that of the node for runs that are submitted now.
    """

    provider: ClassVar[str]
    checks_contents: ClassVar[bool] = True  # by the node, which computes the sha256 of what it gets

    def __init__(self, notes: Path, place: str, folder: str) -> None:
        self._folder, self._place, self._node_folder = notes, place, folder
        self._connections: dict[str, Connection] = {}
        self._transfers = GrantedTransfers(place or "this machine")

    @abstractmethod
    def _connect(self, folder: str) -> Connection:
        """Return a connection to the program with a folder, not yet made; raises UserError."""

    @property
    def _connection(self) -> Connection:
        """The connection for runs that are submitted now."""
        return self._connection_to(self._node_folder)

    def _connection_to(self, folder: str) -> Connection:
        if folder not in self._connections:
            self._connections[folder] = self._connect(folder)
        return self._connections[folder]

    def _connection_of(self, handle: Handle) -> Connection:
        return self._connection_to(self._folder_of(handle))

    def _folder_of(self, handle: Handle) -> str:
        """Return the folder that a run was submitted with: that of mlgit.yml may be another one by now."""
        return str(handle.data.get(_FOLDER) or self._node_folder)

    def _make_handle(self, run: str) -> Handle:
        return Handle(self.provider, run, {_FOLDER: self._node_folder})

    def check_environment(self, _environment: Environment) -> None:  # noqa: B027 - there is nothing to do
        """Accept any: the machine is asked when a run is submitted."""

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        if not isinstance(task.environment, Prefix):
            raise user_error("environment-form", f"{task.address}: its environment is an image, which is not sent")
        environment = list_environment(task.environment, self._folder / "environments")
        manifests = {content: store.manifest(content) for content in contents_of(task)}
        digests = [file.digest for files in manifests.values() for file in files]
        with self._connection.channel() as channel:
            request = {"do": "prepare", "token": task.token, "environment": environment.name}
            known = read_prepared(channel.ask({**request, "digests": digests}), digests)
            if known.run is not None:
                return self._make_handle(known.run)
            missing, paths = known.missing, {}
            if not known.has_environment:
                paths = environment_paths(environment)
                missing += read_prepared(channel.ask({**request, "digests": list(paths)}), paths).missing
            if missing:
                largest = _largest_sizes(manifests)
                fetched = {digest: largest[digest] for digest in missing if digest not in paths}
                left = self._transfers.fetch(channel, fetched, store)
                if to_send := [*left, *dict.fromkeys(digest for digest in missing if digest in paths)]:
                    send_objects(channel, to_send, paths, store)
            if paths:
                channel.ask({"do": "environment", "files": environment.to_json()})
            answer = channel.ask(
                {
                    "do": "submit",
                    "task": task_to_json(task),
                    "environment": environment.name,
                    "manifests": [[content.to_json(), files] for content, files in manifests.items()],
                }
            )
            if wrong := read_wrong(answer, list(manifests)):
                raise replaced_error(task, wrong[0], store.location)
            read_run(answer, task.run)
        return self._make_handle(task.run)

    def find(self, token: str) -> Handle | None:
        run = self._ask({"do": "find", "token": token}, read_run)
        return self._make_handle(run) if run is not None else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        wanted: dict[str, list[Handle]] = {}
        for handle in handles:
            wanted.setdefault(self._folder_of(handle), []).append(handle)
        conditions: dict[Handle, Condition] = {}
        for some in wanted.values():
            conditions |= self._poll_in_folder(some)
        return conditions

    def _poll_in_folder(self, handles: Sequence[Handle]) -> Mapping[Handle, Condition]:
        try:
            request = {"do": "poll", "runs": [handle.id for handle in handles]}
            return self._ask(request, lambda answer: read_conditions(answer, handles), handles[0])
        except UserError as error:
            return {handle: Condition(Phase.UNKNOWN, message=error.diagnostics[0].message) for handle in handles}

    def cancel(self, handle: Handle) -> bool:
        return self._ask({"do": "cancel", "run": handle.id}, lambda answer: bool(answer.get("was_running")), handle)

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        while True:
            with self._connection_of(handle).channel() as channel:
                channel.send([Message({"do": "log", "run": handle.id, "since": since})])
                while "end" not in (message := channel.receive_answer()).document:
                    yield message.data
                since, is_active = read_log_end(message.document)
            if not follow or not is_active:
                return
            time.sleep(_FOLLOW_SECONDS)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        with self._connection_of(handle).channel() as channel:
            channel.send([Message({"do": "metrics", "run": handle.id})])
            for message in expect_parts(iter(channel.receive_answer, None)):
                yield message.data

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        with self._connection_of(handle).channel() as channel:
            outputs = read_outputs(channel.ask({"do": "collect", "run": handle.id}))
            return RunResult(store_outputs(channel, outputs, store, self._folder, self._transfers))

    def describe(self, handle: Handle) -> RunFiles:
        files = self._ask({"do": "describe", "run": handle.id}, read_files, handle)
        locations = {name: f"{self._prefix}{path}" for name, path in files.locations.items()}
        return RunFiles(locations, files.artifacts)

    def run_folders(self) -> Iterable[RunFolder]:
        folders = self._ask({"do": "run_folders"}, read_run_folders)
        return tuple(folder._replace(path=f"{self._prefix}{folder.path}") for folder in folders)

    def remove_run_folder(self, folder: RunFolder) -> bool:
        request = {"do": "remove_run_folder", "path": folder.path.removeprefix(self._prefix)}
        return self._ask(request, lambda answer: bool(answer.get("is_gone")))

    def usage(self) -> Iterable[Usage]:
        return self._ask({"do": "usage"}, read_usage)

    @property
    def _prefix(self) -> str:
        """What is before a path of the node where people read it."""
        return f"{self._place}:" if self._place else ""

    def _ask(self, request: Mapping[str, Any], read: Callable[[Any], T], handle: Handle | None = None) -> T:
        """Return what a function reads in the answer to a request, about the run of a handle if there is one."""
        with (self._connection_of(handle) if handle else self._connection).channel() as channel:
            return read(channel.ask(request))


def _largest_sizes(manifests: Mapping[Content, Iterable[ContentFile]]) -> dict[str, int]:
    """Return the size that each object can have at most, by its digest: that of the smallest content it is in."""
    sizes: dict[str, int] = {}
    for content, files in manifests.items():
        for file in files:
            sizes[file.digest] = min(content.size, sizes.get(file.digest, content.size))
    return sizes
