"""What the backends share whose runs have a folder each on a disk of this machine.

The folder has what the runner writes: the log, the metrics, the result, the outputs. A backend adds how a run is
started, found and stopped, and what condition it is in.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._local_queue import Pool, Queues, queue_message, start
from reconciler.backends._run_folders import REMOVED_FOLDER, has_process, list_run_folders, remove_run_folder
from reconciler.backends._runner import OBJECTS_FOLDER, store_output
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.backend import RunFiles, RunFolder, RunResult
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.tasks import Task
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.regular_files import open_regular_file
from reconciler.runner.files import read_json_object, remove_folder, walk_files
from reconciler.runner.queue import list_entries
from reconciler.runner.result import LOG_FILE, METRICS_FILE, RESULT_FILE
from reconciler.runner.spec import FILE_TYPES
from reconciler.runner.workdir import ARTIFACTS_OUTPUT, OUTPUTS_FOLDER

_FOLLOW_SECONDS = 0.2
_CHUNK_SIZE = 1 << 20
_ACTIVE_PHASES = (Phase.PENDING, Phase.RUNNING)


class FolderBackend(ABC):
    """A backend with a folder for each run below a folder of its own."""

    provider: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._runs = folder / "runs"
        self._submissions = folder / "submissions"
        self._runners = folder / "runners"

    @abstractmethod
    def submit(self, task: Task, store: ObjectStore) -> Handle:
        """Start a run; see ``Backend``."""

    @abstractmethod
    def find(self, token: str) -> Handle | None:
        """Return the handle of a run; see ``Backend``."""

    @abstractmethod
    def cancel(self, handle: Handle) -> bool:
        """Ask a run to stop; see ``Backend``."""

    @abstractmethod
    def usage(self) -> Iterable[Usage]:
        """Return how full the computes are; see ``Backend``."""

    @abstractmethod
    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        """Return the conditions of several runs at once; see ``Backend``."""

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

    def log_size(self, handle: Handle) -> int:
        """Return how many bytes the log of a run has so far."""
        path = self._folder(handle) / LOG_FILE
        return path.stat().st_size if path.is_file() else 0

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        return self._read_file(handle, METRICS_FILE, "metrics", 0)

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        folder = self._folder(handle)
        result = read_json_object(folder / RESULT_FILE) or {}
        types = _output_types(folder)
        outputs = {
            name: store_output(store, _output_folder(folder, name), is_file=types.get(name) in FILE_TYPES)
            for name in result.get("outputs", {})
        }
        remove_folder(folder / OBJECTS_FOLDER)
        return RunResult(outputs)

    def describe(self, handle: Handle) -> RunFiles:
        folder = self._folder(handle)
        if not folder.is_dir():
            raise user_error("run-files-gone", f"{folder} does not exist: it was removed, or is on another machine")
        outputs = folder / OUTPUTS_FOLDER
        artifacts = outputs / ARTIFACTS_OUTPUT
        if not _is_inside(artifacts, folder):
            return RunFiles({"log": str(folder / LOG_FILE), "output_folder": str(outputs)}, ())
        files = (path.relative_to(artifacts).as_posix() for path in walk_files(artifacts) if path.is_file())
        return RunFiles({"log": str(folder / LOG_FILE), "output_folder": str(outputs)}, tuple(sorted(files)))

    def run_folders(self) -> Iterable[RunFolder]:
        return list_run_folders(self._runs, self._is_active)

    def remove_run_folder(self, folder: RunFolder) -> bool:
        return remove_run_folder(self._runs, folder, self._is_active)

    def remove_listed(self, path: str) -> bool:
        """Remove a folder by the path that it was listed with; return True if it is gone."""
        kinds = {self._runs: False, self._runs.parent / REMOVED_FOLDER: True}
        is_left = kinds.get(Path(path).parent)
        return is_left is not None and self.remove_run_folder(RunFolder(path, "", 0.0, 0, is_left=is_left))

    def _is_active(self, folder: Path) -> bool:
        """Return True if a run goes on, or may: its folder is not removed."""
        return has_process(folder)

    def _folder(self, handle: Handle) -> Path:
        """Return the folder of a run; whatever a record has for an id, it is a folder below that of the runs."""
        is_file_name = handle.id not in {"", ".", ".."} and not {"/", "\0"} & set(handle.id)
        return self._runs / (handle.id if is_file_name else hashlib.sha256(handle.id.encode()).hexdigest())

    def _submitted(self, token: str) -> Handle | None:
        """Return the handle of the run that was to be submitted with a token, and of which the spec was written."""
        handle = Handle(self.provider, str((read_json_object(self._submissions / token) or {}).get("run")))
        spec = read_json_object(self._folder(handle) / SPEC_FILE)
        return None if spec is None or spec.get("token") != token else handle

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
            if self.poll([handle])[handle].phase not in (*_ACTIVE_PHASES, Phase.UNKNOWN):
                raise self._gone_error(handle, path, content) from error
        except OSError as error:
            raise user_error("run-files-unreadable", f"{path} cannot be read: {error.strerror}") from error

    def _gone_error(self, handle: Handle, path: Path, content: str) -> UserError:
        folder = self._folder(handle)
        if folder.is_dir():
            return user_error("run-files-gone", f"the {content} of run {handle.id}, {path}, was removed")
        message = f"the folder of run {handle.id}, {folder}, does not exist: it was removed, or is on another machine"
        return user_error("run-files-gone", message)


class QueuedBackend(FolderBackend):
    """A backend with a folder for each run, and a queue for each compute."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        super().__init__(folder)
        self._queues = Queues(folder / "queues", pool)

    def usage(self) -> Iterable[Usage]:
        return tuple(self._queues.usage())

    def _start_queued(self, handles: Iterable[Handle]) -> Mapping[Handle, str]:
        """Start the runs that have slots in the queues of those that wait; return what each of these waits for."""
        entries = {handle: entry for handle in handles if (entry := self._queues.entry_of(self._folder(handle)))}
        queues = {queue: list_entries(queue) for queue in {entry.parent for entry in entries.values()}}
        for queue in queues:
            with suppress(OSError):  # who may read only
                start(queue, wait=False)
        return {handle: queue_message(entry, queues[entry.parent]) for handle, entry in entries.items()}


def _output_types(folder: Path) -> dict[str, str]:
    """Return the types of the declared outputs of a run; raise UserError if the job has damaged the file with them."""
    spec = read_json_object(folder / SPEC_FILE) or {}
    try:
        return {name: str(output["type"]) for name, output in spec["outputs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{folder / SPEC_FILE}, which describes the outputs of the run, was damaged or removed"
        raise user_error("run-files-unreadable", message, "a job writes to its outputs, and nowhere else") from error


def _output_folder(folder: Path, name: str) -> Path:
    """Return the folder of an output; raise UserError ``run-files-unreadable`` if it is none of the run.

    A job can write its result, and put links into its folder; in a container it must not reach other files that way.
    """
    outputs = folder / OUTPUTS_FOLDER
    path = outputs / name
    if path.parent != outputs or name == ".." or not _is_inside(path, folder):
        message = f"the output {name} of the run leads out of its folder, {folder}"
        raise user_error("run-files-unreadable", message, "a job writes its outputs as files, not as links")
    return path


def _is_inside(path: Path, folder: Path) -> bool:
    """Return True if a path is in a folder, its links followed; one that leads to itself is left to who opens it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def make_private_folders(*folders: Path) -> None:
    """Make folders of runs. Raise UserError ``file-unusable`` if something else is in the place of one."""
    try:
        for folder in folders:
            make_private_folder(folder)
    except (FileExistsError, NotADirectoryError) as error:
        message = f"{error.filename} cannot be used: {error.strerror}"
        raise user_error("file-unusable", message, "put a folder in its place, or remove it") from error


def write_private_json(path: Path, document: Json) -> None:
    """Write a JSON file that appears when it is complete, for its owner only."""
    temporary = path.with_suffix(".part")
    create_private_file(temporary, json.dumps(document, indent=1).encode())
    temporary.replace(path)
