"""What the backends do whose runs are started by a program on another machine, or on another disk of this one.

What a run needs goes there by digest, and its outputs come back by digest; the program is `_node`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from reconciler.backends._node_channel import Connection
from reconciler.backends._node_files import (
    contents_of,
    environment_paths,
    list_environment,
    send_objects,
    store_outputs,
)
from reconciler.backends._node_grants import GrantedTransfers
from reconciler.backends._node_messages import Message, expect_parts, raise_error
from reconciler.diagnostics import UserError, user_error
from reconciler.model.backend import RunFiles, RunResult
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.task_json import task_to_json
from reconciler.model.tasks import Environment, Prefix, Task

_FOLLOW_SECONDS = 0.5


class NodeClient(ABC):
    """A backend each of whose methods is a request or two to the program of a node.

    ``notes`` is the folder where this machine keeps notes, ``place`` how the machine of the node is called.
    """

    provider: ClassVar[str]

    def __init__(self, notes: Path, place: str) -> None:
        self._folder, self._place = notes, place
        self._transfers = GrantedTransfers(place or "this machine")

    @property
    @abstractmethod
    def _connection(self) -> Connection:
        """The connection, not yet made; raises UserError."""

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
            known = channel.ask({**request, "digests": digests})
            if known["run"] is not None:
                return Handle(self.provider, known["run"])
            missing, paths = known["missing"], {}
            if not known["has_environment"]:
                paths = environment_paths(environment)
                missing += channel.ask({**request, "digests": list(paths)})["missing"]
            if missing:
                fetched = dict.fromkeys(digest for digest in missing if digest not in paths)
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
        return Handle(self.provider, answer["run"])

    def find(self, token: str) -> Handle | None:
        run = self._ask({"do": "find", "token": token})["run"]
        return Handle(self.provider, run) if run is not None else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        wanted = list(handles)
        if not wanted:
            return {}
        try:
            answer = self._ask({"do": "poll", "runs": [handle.id for handle in wanted]})["conditions"]
        except UserError as error:
            return {handle: Condition(Phase.UNKNOWN, message=error.diagnostics[0].message) for handle in wanted}
        return {handle: Condition.from_json(answer[handle.id]) for handle in wanted}

    def cancel(self, handle: Handle) -> bool:
        return bool(self._ask({"do": "cancel", "run": handle.id})["was_running"])

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        while True:
            with self._connection.channel() as channel:
                channel.send([Message({"do": "log", "run": handle.id, "since": since})])
                while "end" not in (message := channel.receive()).document:
                    raise_error(message.document)
                    yield message.data
            since = int(message.document["position"])
            if not follow or not message.document["is_active"]:
                return
            time.sleep(_FOLLOW_SECONDS)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        with self._connection.channel() as channel:
            channel.send([Message({"do": "metrics", "run": handle.id})])
            for message in expect_parts(iter(channel.receive, None)):
                yield message.data

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        with self._connection.channel() as channel:
            outputs = channel.ask({"do": "collect", "run": handle.id})["outputs"]
            return RunResult(store_outputs(channel, outputs, store, self._folder, self._transfers))

    def describe(self, handle: Handle) -> RunFiles:
        answer = self._ask({"do": "describe", "run": handle.id})
        locations = {
            name: f"{self._place}:{path}" if self._place else path for name, path in answer["locations"].items()
        }
        return RunFiles(locations, tuple(answer["artifacts"]))

    def usage(self) -> Iterable[Usage]:
        return tuple(Usage(*usage) for usage in self._ask({"do": "usage"})["usage"])

    def _ask(self, request: Mapping[str, Any]) -> Any:
        with self._connection.channel() as channel:
            return channel.ask(request)
