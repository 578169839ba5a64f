"""The queues of the backend `local`: what a run takes of its compute, how it is queued, and how full a compute is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.abbreviation import pluralize
from reconciler.backends._local_capacity import core_count, declared_slots, device_names, gpus_of_run
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.model.capacity import RunRequest
from reconciler.model.providers import Usage
from reconciler.model.tasks import DEFAULT_COMPUTE, Compute, Task
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.runner.environment import allowed_variables
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.locks import is_locked
from reconciler.runner.queue import (
    ALIVE_FD,
    COMMAND_LOCK_FD,
    COMPUTE_FILE,
    FIRST_SLOT_FD,
    Devices,
    QueuedRun,
    add_run,
    device_file,
    list_entries,
    remove_run,
    slot_count,
    start_queued,
)
from reconciler.runner.result import (
    LOG_FILE,
    METRICS_FILE,
    RESULT_FILE,
    CommandOutcome,
    FinalStatus,
    TrackedValues,
    make_result_document,
    utc_timestamp,
)
from reconciler.runner.spec import RunSpec, read_spec
from reconciler.runner.supervisors import spawn_supervisor

_ENTRY_FILE = "queue.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SLOTS_HINT = (
    "lower resources.instance_count, or raise max_instances of the compute; one without a file has as many slots as "
    "the machine has cores, or slots: of the backend in mlgit.yml"
)


@dataclass(frozen=True, slots=True)
class Pool:
    """What the machine has for runs: the settings of the backend, slots of a compute that declares none, and GPUs.

    ``device_folder`` has the locks of the GPUs, which all workspaces of the user share.
    """

    settings: Mapping[str, Json]
    slots: int
    devices: tuple[str, ...]
    device_folder: Path

    def slots_of(self, compute: Compute) -> int:
        """Return how many runs a compute has at once."""
        declared = declared_slots(self.settings, compute)
        return int(declared.value) if declared else self.slots

    def devices_for(self, task: Task) -> Devices:
        """Return the GPUs of which a run takes some."""
        if not self.devices:
            return Devices()
        request = RunRequest(task.compute, task.resources, task.distribution)
        count = gpus_of_run(self.settings, request, len(self.devices))
        return Devices(str(self.device_folder), self.devices, count)


def make_pool(settings: Mapping[str, Json]) -> Pool:
    """Return the pool of the settings of a backend; raises UserError if a run takes more than there is."""
    devices, count = device_names(settings.get("gpus")), settings.get("gpus_per_run")
    if count and count > len(devices):
        message = f"a run takes {count} GPUs (gpus_per_run), but the backend has {len(devices)}"
        raise user_error("backend-broken", message, "correct gpus_per_run: or gpus: in mlgit.yml")
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - no home is no error
    folder = Path(base, "mlgit", "devices", os.uname().nodename)
    return Pool(settings, core_count(), devices, folder)


class Queues:
    """The queues of the computes of a backend: one folder for each below the folder of its files."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self._folder = folder
        self._pool = pool

    def locks_of(self, task: Task) -> tuple[Path, Devices]:
        """Return the queue of a task, with its folder made, and the devices that it takes.

        Raises UserError ``slots-too-few`` if the task has more instances than its compute has slots.
        """
        instances, slots = task.resources.instances, self._pool.slots_of(task.compute)
        name = task.compute.name or DEFAULT_COMPUTE
        if instances > slots:
            message = f"the job has {instances} instances, but the compute {name} has {pluralize(slots, 'slot')}"
            raise user_error("slots-too-few", message, _SLOTS_HINT)
        devices = self._pool.devices_for(task)
        if devices.per_run:
            _make_device_folder(Path(devices.folder))
        queue = self._folder / (name if _FILE_NAME.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest())
        make_private_folder(queue)
        compute = {"name": name, "slots": slots}
        if read_json_object(queue / COMPUTE_FILE) != compute:
            write_json_atomically(queue / COMPUTE_FILE, compute)
        return queue, devices

    def add(  # noqa: PLR0913, PLR0917 - what a queued run is
        self, task: Task, spec: RunSpec, spec_file: Path, runner: Path, queue: Path, devices: Devices
    ) -> None:
        """Put a run at the end of its queue; its supervisor is the runner with a spec."""
        run = QueuedRun(
            spec.folder,
            spec.token_file,
            (sys.executable, "-I", "-S", str(runner), str(spec_file)),
            allowed_variables(os.environ),
            task.resources.instances,
            devices,
        )

        def note_entry(entry: Path) -> None:
            create_private_file(spec.folder / _ENTRY_FILE, json.dumps({"entry": str(entry)}).encode())

        add_run(queue, run, spec.token[:16], note_entry)

    def entry_of(self, folder: Path) -> Path | None:
        """Return the file of a run in its queue, if it is there; a job can write into its folder what it likes."""
        name = (read_json_object(folder / _ENTRY_FILE) or {}).get("entry")
        entry = Path(name) if isinstance(name, str) and "\0" not in name else None
        return (
            entry
            if entry and ".." not in entry.parts and entry.parent.parent == self._folder and entry.exists()
            else None
        )

    def cancel(self, folder: Path) -> bool:
        """Take a run out of its queue, as canceled; return False if it is in none."""
        entry = self.entry_of(folder)
        if entry is None:
            return False
        is_removed = remove_run(
            entry.parent, entry, lambda: write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))
        )
        start(entry.parent)  # others may have waited for no more than it
        return is_removed

    def usage(self) -> Iterator[Usage]:
        """Yield how full each compute is that has runs, and with them how many GPUs of the machine are in use."""
        for queue in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            used, queued = sum(map(is_locked, queue.glob("slot-*.lock"))), len(list_entries(queue))
            if used or queued:
                compute = read_json_object(queue / COMPUTE_FILE) or {}
                yield Usage(f"compute/{compute.get('name', queue.name)}", "slot", used, slot_count(queue), queued)
        files = [device_file(self._pool.device_folder, name) for name in self._pool.devices]
        if used := sum(map(is_locked, files)):
            yield Usage(os.uname().nodename, "GPU", used, len(files))


def with_locks(spec: RunSpec, queue: Path, devices: Devices) -> RunSpec:
    """Return the spec of a supervisor with the descriptors of its locks: a slot for each instance, and devices."""
    count = spec.instances + devices.per_run
    return replace(
        spec,
        alive_fd=ALIVE_FD,
        child_lock_fd=COMMAND_LOCK_FD,
        slot_fds=tuple(range(FIRST_SLOT_FD, FIRST_SLOT_FD + count)),
        queue=queue,
        device_folder=Path(devices.folder) if devices.per_run else None,
    )


def start(queue: Path, *, wait: bool = True) -> None:
    """Start the runs of a queue that have slots; each has a supervisor that outlives this process."""
    start_queued(queue, spawn_supervisor, wait=wait)


def queue_message(entry: Path, entries: Sequence[Path]) -> str:
    """Return what a queued run waits for, and how many are before it."""
    before = entries.index(entry) if entry in entries else 0
    runs = f", after {before} other{'s' if before > 1 else ''}" if before else ""
    return f"waits for a slot{runs}"


def _make_device_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except OSError as error:
        message = f"{folder}, which has the locks of GPUs, cannot be made: {error.strerror}"
        raise user_error("file-unusable", message, "set XDG_STATE_HOME to a folder that can be written") from error


def write_final_result(folder: Path, outcome: CommandOutcome) -> None:
    """Write the files that a run lacks whose runner wrote no result, as it has not started, or was killed."""
    (folder / LOG_FILE).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder / LOG_FILE, folder / METRICS_FILE):
        if not path.exists():
            create_private_file(path)
    document = make_result_document(read_spec(folder / SPEC_FILE), outcome, utc_timestamp(), TrackedValues(), {})
    write_json_atomically(folder / RESULT_FILE, document)
