"""The process of a driver: started in a session of its own, one for each run on a machine, found by its lock.

The lock is a file lock that the process inherits, so that a run has a driver from the moment that one is started, and
none as soon as that has ended, however it did.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import reconciler
from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.runner.environment import allowed_variables
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.locks import free_lock, is_locked

_LOCK_FILE, _SETTINGS_FILE, _OUTPUT_FILE, _PROBLEM_FILE = "alive.lock", "driver.json", "driver.log", "problem.json"
LOCK_DESCRIPTOR = 3  # which the process finds its lock at
_RESTART_SECONDS = 1.0  # not sooner after the last start, so that one that always fails does not keep a machine busy
_MODULE = "reconciler.engine.driver"
_MAX_OUTPUT_BYTES = 4000
_OWN_VARIABLES = frozenset({"PATH", "MLGIT_HOST", "PYTHONDONTWRITEBYTECODE"})


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What opens the store: its type, the settings of mlgit.yml, and the folder that relative paths start from."""

    type: str
    settings: Mapping[str, Json]
    folder: str


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What a driver is started with: the token of the run, its store, and the folder for the files of backends."""

    token: str
    store: StoreSettings
    folder: str

    def to_json(self) -> dict[str, Json]:
        """Return the document of the file that the process reads."""
        return {**asdict(self), "store": {**asdict(self.store), "settings": dict(self.store.settings)}}


def read_settings(path: Path) -> DriverSettings:
    """Return the settings of a file; raises KeyError or TypeError if it has none."""
    document = read_json_object(path) or {}
    return DriverSettings(document["token"], StoreSettings(**document["store"]), document["folder"])


@dataclass(frozen=True, slots=True)
class DriverProcess:
    """The driver of one run on this machine: the folder with its files."""

    folder: Path

    @property
    def is_alive(self) -> bool:
        """True if there is one."""
        return is_locked(self.folder / _LOCK_FILE)

    @property
    def has_files(self) -> bool:
        """True if a driver was started with these files, on this machine or with the same disk."""
        return (self.folder / _SETTINGS_FILE).exists()

    @property
    def problem(self) -> str:
        """What the driver waits for, or what the last one ended with, "" if for nothing but runs."""
        if self.is_alive:
            return str((read_json_object(self.folder / _PROBLEM_FILE) or {}).get("message", ""))
        return self._last_output_line()

    def start(
        self,
        settings: DriverSettings,
        variables: Container[str] = (),
        secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> bool:
        """Start a driver if there is none; return True if one was started.

        Of the environment variables of this process it gets those about the machine, and those that are named;
        ``secrets`` are those of the store and of the backends, which it reads from its standard input.
        Raises UserError ``file-unusable`` if its files cannot be written.
        """
        try:
            make_private_folder(self.folder)
            with free_lock(self.folder / _LOCK_FILE) as lock:
                if lock is None:
                    return False
                self._wait_until_due()
                (self.folder / _PROBLEM_FILE).unlink(missing_ok=True)
                write_json_atomically(self.folder / _SETTINGS_FILE, settings.to_json(), synced=False)
                self._spawn(lock, driver_variables(os.environ, variables), json.dumps(dict(secrets)).encode())
        except OSError as error:
            message = f"{self.folder}, which has the files of the driver of a run, cannot be used: {error.strerror}"
            raise user_error("file-unusable", message, "free some space, or check that you may write there") from error
        return True

    def write_problem(self, message: str) -> None:
        """Note what the driver waits for; a disk that is full has no place for it."""
        with suppress(OSError):
            create_private_file(self.folder / _PROBLEM_FILE, json.dumps({"message": message}).encode())

    def _spawn(self, lock: int, variables: Mapping[str, str], data: bytes) -> None:
        """Start the process with bytes as its standard input: no file, argument or variable has them."""
        read_end, write_end = os.pipe()
        output = os.open(self.folder / _OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            actions = [
                (os.POSIX_SPAWN_DUP2, read_end, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, lock, LOCK_DESCRIPTOR),
            ]
            command = (sys.executable, "-P", "-m", _MODULE, str(self.folder / _SETTINGS_FILE))
            os.posix_spawn(sys.executable, command, variables, file_actions=actions, setsid=True)
            os.close(read_end)
            with os.fdopen(write_end, "wb") as pipe, suppress(BrokenPipeError):  # it has ended, and its output says why
                pipe.write(data)
                pipe.flush()
        finally:
            os.close(output)

    def _wait_until_due(self) -> None:
        with suppress(OSError):
            started_at = (self.folder / _SETTINGS_FILE).stat().st_mtime
            time.sleep(min(_RESTART_SECONDS, max(0.0, started_at + _RESTART_SECONDS - time.time())))

    def _last_output_line(self) -> str:
        try:
            with (self.folder / _OUTPUT_FILE).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _MAX_OUTPUT_BYTES))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def driver_variables(variables: Mapping[str, str], named: Container[str]) -> dict[str, str]:
    """Return the variables of a driver: it goes on when who started it has ended, and needs no token of theirs."""
    paths = (str(Path(reconciler.__file__).parent.parent), *variables.get("PYTHONPATH", "").split(os.pathsep))
    own = {name: value for name, value in variables.items() if name in _OWN_VARIABLES or name in named}
    python_path = os.pathsep.join(map(os.path.abspath, dict.fromkeys(filter(None, paths))))
    return {**allowed_variables(variables), **own, "PYTHONPATH": python_path}
