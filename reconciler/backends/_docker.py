"""What the backend `docker` does: runs are containers of an engine of this machine, each named by its token.

A container is made when its run is submitted, and started when the run has slots, by a supervisor that waits for its
end and removes it (``runner.container``). The folder of the run is mounted at its own path, so all that is read of a
run is read as of the backend `local`. The engine tells which containers exist: a run whose supervisor was killed goes
on, and its container is removed by who asks for it once it has ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, NotFound

from reconciler.backends._docker_container import (
    FOLDER_LABEL,
    TOKEN_LABEL,
    FoundContainer,
    create_container,
    find_container,
    find_limits,
    list_containers,
    stop_seconds,
)
from reconciler.backends._docker_engine import check_gpus, container_user
from reconciler.backends._docker_image import (
    FoundImage,
    Interpreter,
    command_environment,
    find_image,
    find_interpreter,
)
from reconciler.backends._folders import QueuedBackend, make_private_folders, write_private_json
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._local_queue import make_pool, start, with_locks
from reconciler.backends._runner import install_runner, make_spec, result_condition
from reconciler.diagnostics import UserError, user_error
from reconciler.docker_engine import open_engine
from reconciler.docker_socket import engine_address
from reconciler.model import Json
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import CANCELED, Condition, Handle, Phase
from reconciler.model.tasks import Environment, Image, Task
from reconciler.private_files import touch_private_file
from reconciler.runner.container import CONTAINER_END_FILE, REMOVED, describe_end, note_removal
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.locks import is_locked
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.queue import SUPERVISOR_FILE, SUPERVISOR_LOCK
from reconciler.runner.result import RESULT_FILE
from reconciler.runner.spec import Container, SpecError, read_spec

_UNIX = "unix://"
_TOKEN_FILE, _SUPERVISOR_SPEC_FILE, _HOME = "token.json", "supervisor-spec.json", "home"
_CANCELED_FILE = "canceled"  # a container can be stopped by others than mlgit, too
_STOPPED = "its container was stopped, and not by mlgit: by hand, or because the Docker engine was stopped"
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30  # of a run whose spec cannot be read
_CREATED, _RUNNING = "created", ("running", "paused", "restarting")
_CONFLICT = 409


class DockerBackend(QueuedBackend):
    """Runs jobs in containers of a Docker engine of this machine, in the slots of their compute."""

    provider = "docker"

    def __init__(self, folder: Path, settings: Mapping[str, Json]) -> None:
        super().__init__(folder, make_pool(settings))
        self._notes = folder / "images"
        self._settings = settings
        self._address = engine_address(settings.get("engine", ""))
        if not self._address.startswith(_UNIX):
            message = f"the backend docker needs an engine of this machine, and {self._address} is none"
            raise user_error("backend-broken", message, "set engine: unix:///var/run/docker.sock in mlgit.yml")

    def check_environment(self, environment: Environment) -> None:
        if isinstance(environment, Image):
            make_private_folders(self._runners)
            with self._engine() as client:
                self._find_interpreter(client, find_image(client, environment), install_runner(self._runners))

    def _find_interpreter(self, client: DockerClient, image: FoundImage, runner: Path) -> Interpreter:
        return find_interpreter(client, image, runner, self._settings.get("interpreter", ""), self._notes)

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        if (handle := self.find(task.token)) is not None:
            return handle
        if not isinstance(task.environment, Image):
            raise user_error("environment-form", f"{task.address}: its environment is no image, as a container needs")
        limits = find_limits(task, self._settings)
        folder = self._runs / task.run
        make_private_folders(self._runs, folder, folder / _HOME, self._submissions, self._runners)
        write_private_json(self._submissions / task.token, {"run": task.run})
        for name in (SUPERVISOR_FILE, CONTAINER_END_FILE, _CANCELED_FILE):  # of a submission that was interrupted
            (folder / name).unlink(missing_ok=True)
        runner = install_runner(self._runners)
        queue, devices = self._queues.locks_of(task)
        with self._engine() as client:
            info = client.info()
            user = container_user(info.get("SecurityOptions") or (), os.getuid(), os.getgid())
            image = find_image(client, task.environment)
            check_gpus(client, info, image.id, devices)
            interpreter = self._find_interpreter(client, image, runner)
            environment = command_environment(image, task.environment.variables, folder)
            spec = make_spec(task, environment, store, folder, folder / _TOKEN_FILE)
            write_private_json(folder / SPEC_FILE, spec.to_json())
            self._remove_leftover(client, task, folder)
            create_container(client.api, task, spec, image, interpreter, runner, limits, devices, user)
        socket = Path(self._address.removeprefix(_UNIX))
        supervised = replace(spec, container=Container(task.token, socket, folder / SPEC_FILE))
        supervised = with_locks(supervised, queue, devices)
        write_private_json(folder / _SUPERVISOR_SPEC_FILE, supervised.to_json())
        self._queues.add(task, supervised, folder / _SUPERVISOR_SPEC_FILE, runner, queue, devices)
        start(queue)
        return Handle(self.provider, task.run)

    def find(self, token: str) -> Handle | None:
        handle = self._submitted(token)
        if handle is None:
            return None
        folder = self._folder(handle)
        if self._is_known(folder):
            return handle
        # Without a supervisor and a token file, a container that was not started is of an interrupted submission.
        with self._engine() as client:
            containers = list_containers(client, f"{TOKEN_LABEL}={token}")
        is_started = any(item.folder == str(folder) and item.state != _CREATED for item in containers)
        return handle if is_started or self._is_known(folder) else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        handles = list(handles)
        messages = self._start_queued(handles)
        alive = {handle for handle in handles if is_locked(self._folder(handle) / SUPERVISOR_LOCK)}
        asked = [handle for handle in handles if self._has_container(handle, is_alive=handle in alive)]
        cause, containers = "", dict[str, FoundContainer]()
        if any(handle not in messages and self._folder(handle).is_dir() for handle in asked):
            try:
                with self._engine() as client:
                    containers = {item.folder: item for item in list_containers(client, FOLDER_LABEL)}
                    self._settle(client, [handle for handle in asked if handle not in alive], containers)
            except UserError as error:
                cause = error.diagnostics[0].message
        return {
            handle: self._condition(
                handle,
                Condition(Phase.PENDING, message=messages[handle])
                if handle in messages
                else self._ended_or_active(
                    handle, containers.get(str(self._folder(handle))), cause, is_alive=handle in alive
                ),
            )
            for handle in handles
        }

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        if not folder.is_dir():
            return False
        if not (folder / RESULT_FILE).exists():
            touch_private_file(folder / _CANCELED_FILE)
        was_running = self._queues.cancel(folder) or is_locked(folder / SUPERVISOR_LOCK)
        deadline = time.monotonic() + _stop_seconds(folder)
        with self._engine() as client:
            while (container := find_container(client, folder)) is not None:
                was_running |= container.state in _RUNNING
                self._stop(client, handle, container, is_late=time.monotonic() > deadline)
                time.sleep(_POLL_SECONDS)
        return was_running

    def _stop(self, client: DockerClient, handle: Handle, container: FoundContainer, *, is_late: bool) -> None:
        """Ask the runner of a container to stop; kill it if it is late; remove it if it has no supervisor."""
        with suppress(APIError):  # it has ended or started meanwhile, or is being removed
            if container.state in _RUNNING:
                client.api.kill(container.name, "SIGKILL" if is_late else "SIGTERM")
            elif is_late or not is_locked(self._folder(handle) / SUPERVISOR_LOCK):
                self._remove(client, self._folder(handle), container)

    def _has_container(self, handle: Handle, *, is_alive: bool) -> bool:
        """Return True if the engine is to be asked about a run: it has no result, or left a container behind."""
        folder = self._folder(handle)
        if not (folder / RESULT_FILE).exists():
            return True
        is_started = (folder / SUPERVISOR_FILE).exists()
        return is_started and not is_alive and not (read_json_object(folder / CONTAINER_END_FILE) or {}).get(REMOVED)

    def _is_known(self, folder: Path) -> bool:
        """Return True if the files of a run tell that it waits, goes on, or has ended."""
        return (
            self._queues.entry_of(folder) is not None
            or is_locked(folder / SUPERVISOR_LOCK)
            or any((folder / name).exists() for name in (_TOKEN_FILE, RESULT_FILE, CONTAINER_END_FILE))
        )

    def _ended_or_active(
        self, handle: Handle, container: FoundContainer | None, cause: str, *, is_alive: bool
    ) -> Condition:
        """Return the condition of a run that does not wait for a slot, unless it has a result."""
        folder = self._folder(handle)
        if is_alive or (container is not None and container.state in _RUNNING):
            return Condition(Phase.RUNNING if (folder / COMMAND_FILE).exists() else Phase.PENDING)
        if not folder.is_dir():
            return Condition(Phase.GONE, message="its folder was removed")
        end = read_json_object(folder / CONTAINER_END_FILE)
        if cause and end is None:
            return Condition(Phase.UNKNOWN, message=cause)
        return Condition(Phase.GONE, message=str((end or {}).get("message", "its container was removed")))

    def _condition(self, handle: Handle, otherwise: Condition) -> Condition:
        """Return what the result of a run says, which may have been written meanwhile; else another condition.

        A command that was stopped ends as if mlgit had canceled it; if mlgit has not, the run is gone.
        """
        folder = self._folder(handle)
        result = read_json_object(folder / RESULT_FILE)
        if result is None:
            return otherwise
        condition = result_condition(folder, result)
        is_stopped = condition.reason == CANCELED and not (folder / _CANCELED_FILE).exists()
        return Condition(Phase.GONE, message=_STOPPED) if is_stopped else condition

    def _settle(
        self, client: DockerClient, handles: Iterable[Handle], containers: Mapping[str, FoundContainer]
    ) -> None:
        """Remove the containers that have ended and whose supervisors were killed."""
        for handle in handles:
            container = containers.get(str(self._folder(handle)))
            if container is not None and container.state not in (_CREATED, *_RUNNING):
                self._remove(client, self._folder(handle), container)

    def _remove(self, client: DockerClient, folder: Path, container: FoundContainer) -> None:
        """Remove a container, and note how it has ended if its run has no result."""
        with suppress(NotFound):
            if container.state != _CREATED and not (folder / RESULT_FILE).exists():
                document = client.api.inspect_container(container.name)
                write_json_atomically(folder / CONTAINER_END_FILE, {"message": describe_end(document)})
            # One that was not started is left alone if it has been meanwhile.
            client.api.remove_container(container.name, v=True, force=container.state != _CREATED)
        if container.state != _CREATED:
            note_removal(folder)

    def _remove_leftover(self, client: DockerClient, task: Task, folder: Path) -> None:
        """Remove the container of a submission that was interrupted; raises UserError if another folder has it."""
        for container in list_containers(client, f"{TOKEN_LABEL}={task.token}"):
            if container.folder != str(folder):
                message = f"the engine has a container of this run already, for the folder {container.folder}"
                hint = f"apply from there, or remove the container: docker rm --force {container.name}"
                raise user_error("container-refused", message, hint)
            self._remove(client, folder, container)

    @contextmanager
    def _engine(self) -> Iterator[DockerClient]:
        """Open a client; raises UserError ``backend-unreachable``, or ``container-refused`` if the engine refuses."""
        try:
            with open_engine(self._address) as client:
                yield client
        except UserError as error:
            (diagnostic, *_) = error.diagnostics
            if diagnostic.code == "docker-refused":
                hint = "correct the job or the settings of the backend"
                raise user_error("container-refused", diagnostic.message, hint) from error
            if diagnostic.code != "docker-unreachable":
                raise
            raise user_error("backend-unreachable", diagnostic.message, diagnostic.hint) from error


def make_docker_backend(settings: Mapping[str, Json], store: Path) -> DockerBackend:
    """Return the backend with its settings in mlgit.yml."""
    return DockerBackend(store, settings)


def _stop_seconds(folder: Path) -> int:
    """Return how long the container of a run may take to stop; a job may have damaged its spec."""
    try:
        return stop_seconds(read_spec(folder / SPEC_FILE))
    except SpecError:
        return _GRACE_SECONDS
