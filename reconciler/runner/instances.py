"""The instances of a run on several machines, and the files by which they know of each other.

There is one runner for each instance. They share the folder of the run, which all machines see, and no connection. In
a folder of its own each one has its log, its heartbeat, and what it says: its address, that its processes are done, how
it has ended. The first instance says what the others are to start, and when they are to stop. A network disk may
remember that a folder had no such file, so the folder is listed first, and files that are looked at often are opened.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .distribution import port_instances
from .files import read_json_object, write_json_atomically
from .locks import exclusive_lock
from .ports import free_ports
from .result import LOG_FILE, LOST_FILE
from .spec import RunSpec

INSTANCES_FOLDER = "instances"
START_FILE, PLAN_FILE, STOP_FILE = "start.json", "plan.json", "stop.json"
DONE_FILE, END_FILE, LOST = "done.json", "end.json", "lost"
START_SECONDS = 600.0  # for all instances to start
_BEAT_FILE, _COPIED_FILE, _LOCK_FILE = "beat", "copied.json", "lock"
_POLL_SECONDS = 0.5  # between two looks at the files of the others
_CHUNK_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of the instances of a run, by the name that all of them got, and what this one knows of it.

    ``address`` is that of its machine for the others, and ``launcher`` the process here that has started them, 0 for
    none.
    """

    name: str
    number: int
    address: str
    launcher: int = 0

    def folder(self, run_folder: Path, number: int | None = None) -> Path:
        """Return the folder of an instance, of this one by default."""
        return run_folder / INSTANCES_FOLDER / self.name / str(self.number if number is None else number)


class InstanceWatch:
    """A thread that shows that an instance is alive, and looks at the files of the others."""

    def __init__(self, folder: Path, look: Callable[[], None], on_error: Callable[[str], None]) -> None:
        self._beat, self._look, self._on_error = folder / _BEAT_FILE, look, on_error
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after a last look."""
        self._is_stopped.set()
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_stopped.wait(_POLL_SECONDS)
            try:
                self._beat.touch()
                self._look()
            except OSError as error:  # of a network disk: the next look may succeed
                sys.stderr.write(f"the files of the other instances could not be read: {error}\n")
            except Exception as error:  # noqa: BLE001 - without this thread the run would wait for ever
                sys.excepthook(*sys.exc_info())
                self._on_error(f"the runner failed: {type(error).__name__}: {error}")
                return


class HeartbeatObserver:
    """How long another instance has not shown that it is alive, by the clock of this machine."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _BEAT_FILE
        self._seen, self._changed = 0, time.monotonic()

    def silent_seconds(self) -> float:
        """Return the seconds since the last heartbeat was seen, or since there is this object."""
        with suppress(OSError), self._path.open("rb") as file:  # opened, so that a network disk asks its server
            beat = os.fstat(file.fileno()).st_mtime_ns
            if beat != self._seen:
                self._seen, self._changed = beat, time.monotonic()
        return time.monotonic() - self._changed


def disk_time(folder: Path) -> float:
    """Return the time by the clock of the disk that all machines write to, as theirs differ.

    ``folder`` is that of an instance.
    """
    with suppress(OSError):
        (folder / _BEAT_FILE).touch()
        return (folder / _BEAT_FILE).stat().st_mtime
    return time.time()


def describe_instance(spec: RunSpec, launch: Launch) -> dict[str, Any]:
    """Return what an instance says of itself: the address of its machine, and free ports of it for the job."""
    address = find_address(launch.address)
    count = port_instances(spec.distribution, spec.instances).count(launch.number)
    try:
        ports = free_ports(count, address)
    except OSError:  # a name that is not one of this machine here
        ports = free_ports(count, "")
    return {"address": address, "ports": ports, "host": socket.gethostname(), "pid": os.getpid()}


def find_address(name: str) -> str:
    """Return the IP address of this machine for the others; the name itself if it leads nowhere else from here."""
    with suppress(OSError):
        address = str(socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0])
        if not address.startswith("127."):
            return address
    return name


def request_stop(run_folder: Path) -> None:
    """Ask all instances of a run to stop, whose first one was killed."""
    for folder in (run_folder / INSTANCES_FOLDER).glob("*/"):
        write_json_atomically(folder / STOP_FILE, {"is_done": False})


def note_lost(run_folder: Path, launch: Launch) -> None:
    """Say that the runner of an instance was killed, when none of its processes is left."""
    folder = launch.folder(run_folder)
    if not (folder / END_FILE).exists():
        write_json_atomically(folder / END_FILE, {"status": LOST})


def copy_log(run_folder: Path, folder: Path, *, is_complete: bool = False) -> None:
    """Append what an instance has written to the log of its run: whole lines, unless there will be no more."""
    with suppress(FileNotFoundError), (folder / LOG_FILE).open("rb") as source:
        copied = int((read_json_object(folder / _COPIED_FILE) or {}).get("size", 0))
        source.seek(copied)
        while chunk := source.read(_CHUNK_SIZE):
            is_full, is_last = len(chunk) == _CHUNK_SIZE, is_complete and len(chunk) < _CHUNK_SIZE
            lines = chunk if is_last else chunk[: chunk.rfind(b"\n") + 1] or (chunk if is_full else b"")
            if not lines:
                return
            with (run_folder / LOG_FILE).open("ab", buffering=0) as log:
                log.write(lines + (b"\n" if is_last and not lines.endswith(b"\n") else b""))
            copied += len(lines)
            source.seek(copied)
            write_json_atomically(folder / _COPIED_FILE, {"size": copied}, synced=False)


def read_loss(run_folder: Path) -> str:
    """Return why a run on several machines has no result, "" if its first instance has not said so."""
    return str((read_json_object(run_folder / LOST_FILE) or {}).get("message", ""))


def complete_log(run_folder: Path) -> None:
    """Append to the log of a run what its first instance has not, whose machine was lost."""
    instances = run_folder / INSTANCES_FOLDER
    if not instances.is_dir():
        return
    with exclusive_lock(instances / _LOCK_FILE):
        for folder in sorted(instances.glob("*/*/")):
            copy_log(run_folder, folder, is_complete=True)
