"""What the backend `local` does: runs are processes of this machine, each with a supervisor that outlives mlgit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reconciler.backends._local_processes import SPEC_FILE, end_processes
from reconciler.backends._local_queue import Queues, make_pool, queue_message, start
from reconciler.backends._runner import OBJECTS_FOLDER, install_runner, make_spec, result_condition, store_output
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.assets import EMPTY_MAPPING
from reconciler.model.backend import RunFiles, RunResult
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.tasks import Task
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.regular_files import open_regular_file
from reconciler.runner.files import read_json_object
from reconciler.runner.locks import is_locked
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.queue import (
    ALIVE_FD,
    COMMAND_LOCK_FD,
    FIRST_SLOT_FD,
    SUPERVISOR_FILE,
    SUPERVISOR_LOCK,
    list_entries,
)
from reconciler.runner.result import LOG_FILE, METRICS_FILE, RESULT_FILE
from reconciler.runner.spec import FILE_TYPES
from reconciler.runner.workdir import ARTIFACTS_OUTPUT, OUTPUTS_FOLDER

_PROVIDER = "local"
_FOLLOW_SECONDS = 0.2
_CHUNK_SIZE = 1 << 20
_ACTIVE_PHASES = (Phase.PENDING, Phase.RUNNING)


class LocalBackend:
    """Runs jobs as processes of this machine, with a folder for each run below the folder of the store.

    A run waits in the queue of its compute for a slot. Each method that asks for a run that waits starts those of its
    queue that have slots, so that a queue goes on whose supervisors were killed or ended by a reboot.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Json] = EMPTY_MAPPING) -> None:
        self._runs = folder / "runs"
        self._token_files = folder / "tokens"
        self._submissions = folder / "submissions"
        self._runners = folder / "runners"
        self._queues = Queues(folder / "queues", make_pool(settings))

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        if (handle := self.find(task.token)) is not None:
            return handle
        folder = self._runs / task.run
        _make_private_folders(self._runs, folder, self._token_files, self._submissions, self._runners)
        _write_json(self._submissions / task.token, {"run": task.run})
        (folder / SUPERVISOR_FILE).unlink(missing_ok=True)  # of a supervisor that was killed before it began
        spec = make_spec(task, store, folder, self._token_files / task.token)
        queue, devices = self._queues.locks_of(task)
        count = task.resources.instances + devices.per_run
        spec = replace(
            spec,
            alive_fd=ALIVE_FD,
            child_lock_fd=COMMAND_LOCK_FD,
            slot_fds=tuple(range(FIRST_SLOT_FD, FIRST_SLOT_FD + count)),
            queue=queue,
            device_folder=Path(devices.folder) if devices.per_run else None,
        )
        _write_json(folder / SPEC_FILE, spec.to_json())
        self._queues.add(task, spec, install_runner(self._runners), queue, devices)
        start(queue)
        return Handle(_PROVIDER, task.run)

    def find(self, token: str) -> Handle | None:
        handle = Handle(_PROVIDER, str((read_json_object(self._submissions / token) or {}).get("run")))
        spec = read_json_object(self._folder(handle) / SPEC_FILE)
        if spec is None or spec.get("token") != token:
            return None
        # Without a supervisor and a token file, the process that submitted it was killed before the run started.
        is_submitted = self._condition(handle).phase is not Phase.GONE or (self._token_files / token).exists()
        return handle if is_submitted else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        handles = list(handles)
        entries = {handle: entry for handle in handles if (entry := self._queues.entry_of(self._folder(handle)))}
        queues = {queue: list_entries(queue) for queue in {entry.parent for entry in entries.values()}}
        for queue in queues:
            with suppress(OSError):  # who may read only
                start(queue, wait=False)
        messages = {handle: queue_message(entry, queues[entry.parent]) for handle, entry in entries.items()}
        return {handle: self._condition(handle, messages.get(handle, "")) for handle in handles}

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        return self._queues.cancel(folder) or end_processes(handle.id, folder)

    def usage(self) -> Iterable[Usage]:
        return tuple(self._queues.usage())

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        is_active = follow
        while is_active:
            is_active = self.poll([handle])[handle].phase in _ACTIVE_PHASES  # asked first: the log may grow meanwhile
            for chunk in self._read_file(handle, LOG_FILE, "log", since):
                since += len(chunk)
                yield chunk
            if is_active:
                time.sleep(_FOLLOW_SECONDS)
        if not follow:
            yield from self._read_file(handle, LOG_FILE, "log", since)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        return self._read_file(handle, METRICS_FILE, "metrics", 0)

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        folder = self._folder(handle)
        result = read_json_object(folder / RESULT_FILE) or {}
        types = _output_types(folder)
        outputs = {
            name: store_output(store, folder / OUTPUTS_FOLDER / name, is_file=types.get(name) in FILE_TYPES)
            for name in result.get("outputs", {})
        }
        shutil.rmtree(folder / OBJECTS_FOLDER, ignore_errors=True)
        return RunResult(outputs)

    def describe(self, handle: Handle) -> RunFiles:
        folder = self._folder(handle)
        if not folder.is_dir():
            raise user_error("run-files-gone", f"{folder} does not exist: it was removed, or is on another machine")
        outputs = folder / OUTPUTS_FOLDER
        artifacts = outputs / ARTIFACTS_OUTPUT
        files = (path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file())
        return RunFiles({"log": str(folder / LOG_FILE), "output_folder": str(outputs)}, tuple(sorted(files)))

    def _folder(self, handle: Handle) -> Path:
        """Return the folder of a run; whatever a record has for an id, it is a folder below that of the runs."""
        is_file_name = handle.id not in {"", ".", ".."} and not {"/", "\0"} & set(handle.id)
        return self._runs / (handle.id if is_file_name else hashlib.sha256(handle.id.encode()).hexdigest())

    def _condition(self, handle: Handle, message: str = "") -> Condition:
        """Return the condition of a run; a queued one has a message. Asked in the order in which a run goes on."""
        folder = self._folder(handle)
        is_queued = self._queues.entry_of(folder) is not None
        is_alive = is_locked(folder / SUPERVISOR_LOCK)  # checked before the result, which may be written meanwhile
        result = read_json_object(folder / RESULT_FILE)
        if result is not None:
            return result_condition(folder, result)
        if is_alive:
            is_started = (folder / COMMAND_FILE).exists()
            return Condition(Phase.RUNNING if is_started else Phase.PENDING)
        if is_queued:
            return Condition(Phase.PENDING, message=message)
        cause = "its supervisor ended without a result" if folder.is_dir() else "its folder was removed"
        return Condition(Phase.GONE, message=cause)

    def _read_file(self, handle: Handle, name: str, content: str, since: int) -> Iterator[bytes]:
        """Yield a file of a run from a byte on; nothing if the run has not written it yet."""
        path = self._folder(handle) / name
        if not _is_inside(path, self._folder(handle)):  # a job can put a link in its place
            message = f"{path} is a link that leads out of the folder of run {handle.id}"
            raise user_error("run-files-unreadable", message, "remove the link")
        try:
            with open_regular_file(path) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(since if since >= 0 else max(0, size + since))
                while chunk := file.read(_CHUNK_SIZE):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._condition(handle).phase not in _ACTIVE_PHASES:
                raise self._gone_error(handle, path, content) from error
        except OSError as error:
            raise user_error("run-files-unreadable", f"{path} cannot be read: {error.strerror}") from error

    def _gone_error(self, handle: Handle, path: Path, content: str) -> UserError:
        folder = self._folder(handle)
        if folder.is_dir():
            return user_error("run-files-gone", f"the {content} of run {handle.id}, {path}, was removed")
        message = f"the folder of run {handle.id}, {folder}, does not exist: it was removed, or is on another machine"
        return user_error("run-files-gone", message)


def _output_types(folder: Path) -> dict[str, str]:
    """Return the types of the declared outputs of a run; raise UserError if the job has damaged the file with them."""
    spec = read_json_object(folder / SPEC_FILE) or {}
    try:
        return {name: str(output["type"]) for name, output in spec["outputs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{folder / SPEC_FILE}, which describes the outputs of the run, was damaged or removed"
        raise user_error("run-files-unreadable", message, "a job writes to its outputs, and nowhere else") from error


def _is_inside(path: Path, folder: Path) -> bool:
    """Return True if a path is in a folder, its links followed; one that leads to itself is left to who opens it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _make_private_folders(*folders: Path) -> None:
    """Make folders of runs. Raise UserError ``file-unusable`` if something else is in the place of one."""
    try:
        for folder in folders:
            make_private_folder(folder)
    except (FileExistsError, NotADirectoryError) as error:
        message = f"{error.filename} cannot be used: {error.strerror}"
        raise user_error("file-unusable", message, "put a folder in its place, or remove it") from error


def make_local_backend(settings: Mapping[str, Json], store: Path) -> LocalBackend:
    """Return the backend with its settings in mlgit.yml."""
    return LocalBackend(store, settings)


def _write_json(path: Path, document: Json) -> None:
    temporary = path.with_suffix(".part")
    create_private_file(temporary, json.dumps(document, indent=1).encode())
    temporary.replace(path)
