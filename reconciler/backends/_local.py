"""What the backend `local` does: runs are processes of this machine, each with a supervisor that outlives mlgit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.backends._folders import QueuedBackend, make_private_folders, write_private_json
from reconciler.backends._local_processes import SPEC_FILE, end_processes
from reconciler.backends._local_queue import make_pool, start, with_locks
from reconciler.backends._runner import install_runner, make_spec, prefix_environment, result_condition
from reconciler.model import Json
from reconciler.model.assets import EMPTY_MAPPING
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase
from reconciler.model.tasks import Environment, Task
from reconciler.runner.files import read_json_object
from reconciler.runner.locks import is_locked
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.queue import SUPERVISOR_FILE, SUPERVISOR_LOCK
from reconciler.runner.result import RESULT_FILE


class LocalBackend(QueuedBackend):
    """Runs jobs as processes of this machine, with a folder for each run below the folder of the store.

    A run waits in the queue of its compute for a slot. Each method that asks for a run that waits starts those of its
    queue that have slots, so that a queue goes on whose supervisors were killed or ended by a reboot.
    """

    provider = "local"

    def __init__(self, folder: Path, settings: Mapping[str, Json] = EMPTY_MAPPING) -> None:
        super().__init__(folder, make_pool(settings))
        self._token_files = folder / "tokens"

    def check_environment(self, _environment: Environment) -> None:
        """Accept any: what is a folder has the Python that it was built with."""

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        if (handle := self.find(task.token)) is not None:
            return handle
        folder = self._runs / task.run
        make_private_folders(self._runs, folder, self._token_files, self._submissions, self._runners)
        write_private_json(self._submissions / task.token, {"run": task.run})
        (folder / SUPERVISOR_FILE).unlink(missing_ok=True)  # of a supervisor that was killed before it began
        spec = make_spec(task, prefix_environment(task), store, folder, self._token_files / task.token)
        queue, devices = self._queues.locks_of(task)
        spec = with_locks(spec, queue, devices)
        write_private_json(folder / SPEC_FILE, spec.to_json())
        self._queues.add(task, spec, folder / SPEC_FILE, install_runner(self._runners), queue, devices)
        start(queue)
        return Handle(self.provider, task.run)

    def find(self, token: str) -> Handle | None:
        handle = self._submitted(token)
        if handle is None:
            return None
        # Without a supervisor and a token file, the process that submitted it was killed before the run started.
        is_submitted = self._condition(handle).phase is not Phase.GONE or (self._token_files / token).exists()
        return handle if is_submitted else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        handles = list(handles)
        messages = self._start_queued(handles)
        return {handle: self._condition(handle, messages.get(handle, "")) for handle in handles}

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        return self._queues.cancel(folder) or end_processes(handle.id, folder)

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


def make_local_backend(settings: Mapping[str, Json], store: Path) -> LocalBackend:
    """Return the backend with its settings in mlgit.yml."""
    return LocalBackend(store, settings)
