"""What the backend `ssh` does: runs are processes of another machine, with which this one shares no disk.

On that machine the backend `local` runs them, as a program that is sent there (`_node_program`). What a run needs goes
there by digest, and its outputs come back by digest. ``_ssh_connection`` is loaded by name, when the machine is asked:
asyncssh is slow to import, and an extra.
"""

from __future__ import annotations

import getpass
import importlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.backends._node_messages import Message, expect_parts
from reconciler.backends._ssh_answers import (
    read_conditions,
    read_files,
    read_log_end,
    read_outputs,
    read_prepared,
    read_run,
    read_run_folders,
    read_usage,
)
from reconciler.backends._ssh_files import (
    contents_of,
    environment_paths,
    list_environment,
    send_objects,
    store_outputs,
)
from reconciler.backends._ssh_find import EXTRA_HINT, has_extra
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.backend import RunFiles, RunFolder, RunResult
from reconciler.model.object_store import ObjectStore
from reconciler.model.plugins import BackendContext
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.task_json import task_to_json
from reconciler.model.tasks import Environment, Prefix, Task

if TYPE_CHECKING:
    from reconciler.backends._ssh_connection import SshConnection

T = TypeVar("T")
_LABELS = {"/private_key": "private key", "/passphrase": "passphrase", "/password": "password"}
_ON_NODE = ("slots", "gpus", "gpus_per_run")  # settings of the backend `local` there
_PORT = 22
_FOLDER, _PYTHON = "~/.local/share/mlgit", "python3"
_FOLLOW_SECONDS = 0.5


class SshBackend:
    """Runs jobs as processes of another machine; each method is a request or two to it.

    ``folder`` is where this machine keeps notes, ``settings`` are those of mlgit.yml.
    """

    provider = "ssh"

    def __init__(self, settings: Mapping[str, Json], folder: Path, context: BackendContext) -> None:
        self._settings, self._folder, self._context = settings, folder / "ssh", context

    def check_environment(self, _environment: Environment) -> None:
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
                return Handle(self.provider, known.run)
            missing, paths = known.missing, {}
            if not known.has_environment:
                paths = environment_paths(environment)
                missing += read_prepared(channel.ask({**request, "digests": list(paths)}), paths).missing
            if missing:
                send_objects(channel, dict.fromkeys(missing), paths, store)
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
            read_run(answer, task.run)
        return Handle(self.provider, task.run)

    def find(self, token: str) -> Handle | None:
        run = self._ask({"do": "find", "token": token}, read_run)
        return Handle(self.provider, run) if run is not None else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        wanted = list(handles)
        if not wanted:
            return {}
        try:
            request = {"do": "poll", "runs": [handle.id for handle in wanted]}
            return self._ask(request, lambda answer: read_conditions(answer, wanted))
        except UserError as error:
            return {handle: Condition(Phase.UNKNOWN, message=error.diagnostics[0].message) for handle in wanted}

    def cancel(self, handle: Handle) -> bool:
        return self._ask({"do": "cancel", "run": handle.id}, lambda answer: bool(answer.get("was_running")))

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        while True:
            with self._connection.channel() as channel:
                channel.send([Message({"do": "log", "run": handle.id, "since": since})])
                while "end" not in (message := channel.receive()).document:
                    yield message.data
                since, is_active = read_log_end(message.document)
            if not follow or not is_active:
                return
            time.sleep(_FOLLOW_SECONDS)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        with self._connection.channel() as channel:
            channel.send([Message({"do": "metrics", "run": handle.id})])
            for message in expect_parts(iter(channel.receive, None)):
                yield message.data

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        with self._connection.channel() as channel:
            outputs = read_outputs(channel.ask({"do": "collect", "run": handle.id}))
            return RunResult(store_outputs(channel, outputs, store, self._folder))

    def describe(self, handle: Handle) -> RunFiles:
        files = self._ask({"do": "describe", "run": handle.id}, read_files)
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
        """What is before a path of the machine where people read it."""
        return f"{self._settings['machine']}:"

    def _ask(self, request: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """Return what a function reads in the answer to a request."""
        with self._connection.channel() as channel:
            return read(channel.ask(request))

    @cached_property
    def _connection(self) -> SshConnection:
        """The connection, not yet made; raises UserError ``extra-missing`` or ``secret-missing``."""
        if not has_extra():
            message = f"the backend {self._context.name} needs the package asyncssh, which is not installed"
            raise user_error("extra-missing", message, EXTRA_HINT)
        machine_module = importlib.import_module("reconciler.backends._ssh_machine")
        module = importlib.import_module("reconciler.backends._ssh_connection")
        own = self._settings
        values = {pointer: self._context.read_secret(pointer) for pointer in _LABELS}
        names = " and ".join(f"the {_LABELS[pointer]}" for pointer, value in values.items() if value)
        known_hosts = Path(own.get("known_hosts") or "~/.ssh/known_hosts").expanduser()
        connection: SshConnection = module.SshConnection(
            machine_module.Machine(
                name=self._context.name,
                host=own["machine"],
                port=int(own.get("port") or _PORT),
                user=own.get("user") or getpass.getuser(),
                known_hosts=Path(os.path.join(self._context.folder, known_hosts)),  # noqa: PTH118 - either may be whole
                host_key=own.get("host_key", ""),
                credentials={pointer.removeprefix("/"): value for pointer, value in values.items() if value},
                credential_names=names,
                python=own.get("python") or _PYTHON,
                folder=own.get("folder") or _FOLDER,
                settings={name: own[name] for name in _ON_NODE if name in own},
            )
        )
        return connection


def make_ssh_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> SshBackend:
    """Return the backend with its settings in mlgit.yml."""
    return SshBackend(settings, folder, context)
