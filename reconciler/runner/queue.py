"""The queue of a compute: a folder with a file for each run that waits for a slot, in the order of submission.

There is no daemon. A run that ends starts the next ones of its queue, and so does every process that submits, cancels
or asks for a run, while it holds the lock of the queue. A slot is a lock file of the queue; a device (a GPU) one of the
machine, whatever the compute. The supervisor of a run and its command hold both until they end. The first run of the
queue starts when all that it needs is free, and no other one before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from .files import read_json_object, write_json_atomically
from .locks import exclusive_lock, find_free, free_lock, is_locked
from .result import RESULT_FILE

SUPERVISOR_LOCK, COMMAND_LOCK, SUPERVISOR_FILE = "alive.lock", "child.lock", "supervisor.json"
QUEUE_LOCK, COMPUTE_FILE = "lock", "compute"
ALIVE_FD, COMMAND_LOCK_FD, FIRST_SLOT_FD = 3, 4, 5  # which a supervisor finds its locks at
_ENTRY_SUFFIX = ".json"
_MAX_NUMBER = 10**12  # of a run in a queue, whose file begins with twelve digits
_NEXT_FILE, _WAITING_FOLDER, _DEVICES_VARIABLE = "next", "waiting", "CUDA_VISIBLE_DEVICES"


class Devices(NamedTuple):
    """The devices of a machine, the folder with their locks, and how many a run takes; an empty folder for none."""

    folder: str = ""
    names: tuple[str, ...] = ()
    per_run: int = 0


class QueuedRun(NamedTuple):
    """A run that waits: what starts its supervisor, and what it takes: a slot for each instance, and devices."""

    folder: Path
    token_file: Path
    command: tuple[str, ...]
    variables: Mapping[str, str]
    instances: int = 1
    devices: Devices = Devices()

    def to_json(self) -> dict[str, Any]:
        """Return the document of the file in the queue; `read_queued_run` reads it back."""
        return {**self._asdict(), "folder": str(self.folder), "token_file": str(self.token_file)}


class Locks(NamedTuple):
    """What a supervisor inherits: descriptors in the order of ``ALIVE_FD`` and on, and the names of its devices."""

    descriptors: tuple[int, ...]
    devices: tuple[str, ...] | None


StartSupervisor = Callable[[QueuedRun, Locks], int]
"""Starts the supervisor of a run and returns its process id; 0 in a process that has become the supervisor."""


def read_queued_run(path: Path) -> QueuedRun | None:
    """Return the run of a file in a queue; None if it has gone, is damaged, or asks for what can never be."""
    fields = dict(read_json_object(path) or {})
    try:
        folder, names, per_run = fields["devices"]
        fields["devices"] = Devices(_text(folder), tuple(map(_text, names)), _number(per_run))
        fields["folder"], fields["token_file"] = Path(_text(fields["folder"])), Path(_text(fields["token_file"]))
        fields["command"] = tuple(map(_text, fields["command"]))
        fields["variables"] = {_text(name): _text(value) for name, value in fields["variables"].items()}
        fields["instances"] = _number(fields["instances"])
        run = QueuedRun(**fields)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    has_enough = run.devices.per_run <= len(set(run.devices.names))
    return (
        run if run.command and run.instances and has_enough and not any("=" in name for name in run.variables) else None
    )


def _text(value: Any) -> str:
    """Return a value that is text which a path, an argument or a variable can have; raise TypeError for any other."""
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
    return value


def _number(value: Any) -> int:
    """Return a value that is a number of things; raise TypeError for any other."""
    if type(value) is not int or value < 0:
        raise TypeError(value)
    return value


def list_entries(queue: Path) -> list[Path]:
    """Return the files of the runs in a queue, the first one first."""
    try:
        with os.scandir(queue) as files:
            names = sorted(file.name for file in files if _is_entry(file))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [queue / name for name in names]


def _is_entry(file: os.DirEntry[str]) -> bool:
    number = file.name.partition("-")[0]
    return number.isdecimal() and file.name.endswith(_ENTRY_SUFFIX) and not file.is_dir(follow_symlinks=False)


def add_run(queue: Path, run: QueuedRun, key: str, note_entry: Callable[[Path], None]) -> None:
    """Put a run at the end of a queue; ``note_entry`` is told its file before that exists."""
    with exclusive_lock(queue / QUEUE_LOCK):
        number = _take_number(queue)
        entry = queue / f"{number:012d}-{key}{_ENTRY_SUFFIX}"
        note_entry(entry)
        write_json_atomically(entry, run.to_json())


def _take_number(queue: Path) -> int:
    """Return a number above that of all runs that were ever in the queue."""
    next_number = (read_json_object(queue / _NEXT_FILE) or {}).get("number")
    entries = list_entries(queue)
    last = int(entries[-1].name.partition("-")[0]) if entries else -1
    if not isinstance(next_number, int) or next_number >= _MAX_NUMBER:
        next_number = 0
    number = max(next_number, last + 1)
    write_json_atomically(queue / _NEXT_FILE, {"number": number + 1}, synced=False)
    return number


def remove_run(queue: Path, entry: Path, settle: Callable[[], None]) -> bool:
    """Take a run out of its queue that has not started, and never will; return False if there is none.

    ``settle`` is called before, so that the run always has one or the other: a place in the queue, or an end.
    """
    with exclusive_lock(queue / QUEUE_LOCK):
        run = read_queued_run(entry)
        if run is None or _has_started(run):
            return False
        settle()
        entry.unlink(missing_ok=True)
    return True


def start_queued(queue: Path, start: StartSupervisor, *, wait: bool = True) -> QueuedRun | None:
    """Start the runs at the head of a queue that have slots. Return one in the process that has become its supervisor.

    Without ``wait`` nothing is done while another process does the same.
    """
    if not list_entries(queue):
        return None
    with exclusive_lock(queue / QUEUE_LOCK) if wait else free_lock(queue / QUEUE_LOCK) as lock:
        for entry in list_entries(queue) if lock is not None else ():
            run = read_queued_run(entry)
            if run is None or _has_started(run) or not _can_start(queue, run):
                entry.unlink(missing_ok=True)  # one that never started is lost, and submitted again as a new attempt
                continue
            with ExitStack() as stack:
                locks = _take_locks(queue, run, stack)
                if locks is None:
                    break
                process = start(run, locks)
                if not process:
                    return run
            with suppress(OSError):  # a full disk; its token file has the process too
                noted = {"pid": process, "host": os.uname().nodename}
                write_json_atomically(run.folder / SUPERVISOR_FILE, noted, synced=False)
            entry.unlink(missing_ok=True)
    return None


def _has_started(run: QueuedRun) -> bool:
    """Return True if a run has a supervisor, had one, or was canceled."""
    return (
        is_locked(run.folder / SUPERVISOR_LOCK) or run.token_file.exists() or (run.folder / RESULT_FILE).exists()
    ) or not run.folder.is_dir()


def _can_start(queue: Path, run: QueuedRun) -> bool:
    """Return True if a queue has the slots of a run, and the program of its supervisor, its Python, still exists."""
    if run.instances > slot_count(queue):
        return False
    return Path(run.command[0]).is_file() and os.access(run.command[0], os.X_OK)


def slot_count(queue: Path) -> int:
    """Return how many slots a queue has, as the last submission says."""
    slots = (read_json_object(queue / COMPUTE_FILE) or {}).get("slots")
    return slots if isinstance(slots, int) and slots > 0 else 1


def device_file(folder: Path, name: str) -> Path:
    """Return the lock file of a device; whatever its name, it is a file of the folder."""
    is_file_name = name.isascii() and name.replace("-", "").isalnum()
    return folder / f"{name if is_file_name else os.fsencode(name).hex()}.lock"


def _take_locks(queue: Path, run: QueuedRun, stack: ExitStack) -> Locks | None:
    """Take all that a run needs, or nothing; the stack releases it here, not in who inherits it."""
    slots = find_free((queue / f"slot-{number}.lock" for number in range(slot_count(queue))), run.instances)
    if len(slots) < run.instances:
        return None
    devices = _take_devices(queue, run.devices, stack)
    if devices is None:
        return None
    own = (run.folder / SUPERVISOR_LOCK, run.folder / COMMAND_LOCK)
    descriptors = [stack.enter_context(exclusive_lock(path)) for path in (*own, *slots)]
    names, device_descriptors = devices
    return Locks((*descriptors, *device_descriptors), names if run.devices.names else None)


def _take_devices(queue: Path, devices: Devices, stack: ExitStack) -> tuple[tuple[str, ...], list[int]] | None:
    """Take devices of the machine; None if there are too few: who releases one then looks at this queue."""
    if not devices.per_run:
        return (), []
    folder, status = Path(devices.folder), queue.stat()
    waiting = folder / _WAITING_FOLDER / f"{status.st_dev}-{status.st_ino}"
    with exclusive_lock(folder / QUEUE_LOCK):
        names = _free_devices(folder, devices)
        if not names:
            waiting.parent.mkdir(mode=0o700, exist_ok=True)
            write_json_atomically(waiting, {"queue": str(queue)}, synced=False)
            names = _free_devices(folder, devices)  # again: one may have been released before this queue was noted
        if not names:
            return None
        waiting.unlink(missing_ok=True)
        return names, [stack.enter_context(exclusive_lock(device_file(folder, name))) for name in names]


def _free_devices(folder: Path, devices: Devices) -> tuple[str, ...]:
    files = {device_file(folder, name): name for name in devices.names}
    return tuple(files[path] for path in find_free(files, devices.per_run))


def waiting_queues(folder: Path) -> Iterator[Path]:
    """Yield the queues whose first run waits for a device of a machine, the longest one first."""
    for path in sorted((folder / _WAITING_FOLDER).glob("[0-9]*"), key=_time_of_change):
        queue = (read_json_object(path) or {}).get("queue")
        path.unlink(missing_ok=True)
        if isinstance(queue, str):
            yield Path(queue)


def _time_of_change(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process looks at that queue
        return 0.0


def device_variables(devices: Sequence[str] | None) -> dict[str, str]:
    """Return the variable that shows a run its devices and no others; none on a machine without devices."""
    return {} if devices is None else {_DEVICES_VARIABLE: ",".join(devices)}
