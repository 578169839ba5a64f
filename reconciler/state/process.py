"""A description of a process from which one can tell later, on the same machine, whether it has exited.

A process number alone is not enough: it is reused, and in another container it names another process. If the system
does not tell enough, no process counts as exited, and its lease has to expire.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from reconciler.model import Json

_PROC = Path("/proc")


def host_name() -> str:
    """Return the name of this machine, for ``host:`` in mlgit.yml and for locks; MLGIT_HOST overrides it."""
    return os.environ.get("MLGIT_HOST") or os.uname().nodename


def describe_current_process() -> Mapping[str, Json]:
    """Return the description of this process; empty if the system does not tell enough."""
    try:
        return {"pid": os.getpid(), "began": _start_time(os.getpid()), **_boot_and_pid_namespace()}
    except OSError:
        return {}


def has_process_exited(process: Mapping[str, Json]) -> bool:
    """Return True if a process has certainly exited: it ran on this machine since it booted, and is gone."""
    try:
        own = _boot_and_pid_namespace()
    except OSError:
        return False
    if any(process.get(name) != value for name, value in own.items()):
        return False  # of another machine, another container or before a reboot: unknown
    try:
        return bool(_start_time(int(process["pid"])) != process["began"])
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, LookupError, ValueError):
        return False


def _boot_and_pid_namespace() -> dict[str, Json]:
    """Return what a process number is unique in: a boot of a machine and a namespace of process numbers."""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return {"boot": boot, "numbers": os.readlink(_PROC / "self/ns/pid")}  # noqa: PTH115 - it names no path


def _start_time(pid: int) -> str:
    """Return when a process started, in ticks since the boot; "" for a zombie, which counts as exited."""
    state, *rest = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else rest[18]


def user_name() -> str:
    """Return the name of the user who runs this process, for messages and records: one line."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME") or _account_name()
    return " ".join(name.split())


def _account_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return str(os.getuid())
