"""A process, described so that it can be told later, on the same machine, whether it has ended.

A process number alone does not do: it is given out again, and in another container it is another's. Where the system
does not say enough nothing is claimed to have ended, and a lease has to run out.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from reconciler.model import Json

_PROC = Path("/proc")


def host_name() -> str:
    """Name this machine, as ``host:`` in mlgit.yml and claims do; MLGIT_HOST names it otherwise."""
    return os.environ.get("MLGIT_HOST") or socket.gethostname()


def describe_current_process() -> Mapping[str, Json]:
    """Describe this process; empty where the system does not tell enough."""
    try:
        return {"pid": os.getpid(), "began": _start_time(os.getpid()), **_boot_and_pid_namespace()}
    except OSError:
        return {}


def has_process_exited(process: Mapping[str, Json]) -> bool:
    """Tell whether a process has surely ended: one of this machine since it was started, and not there any more."""
    try:
        here = _boot_and_pid_namespace()
    except OSError:
        return False
    if any(process.get(name) != what for name, what in here.items()):
        return False  # of another machine, another container or before a restart: nothing can be told from here
    try:
        return bool(_start_time(int(process["pid"])) != process["began"])
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, LookupError, ValueError):
        return False


def _boot_and_pid_namespace() -> dict[str, Json]:
    """Say where process numbers mean what they mean here: since which start of which machine, in which container."""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return {"boot": boot, "numbers": os.readlink(_PROC / "self/ns/pid")}  # noqa: PTH115 - it names no path


def _start_time(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; one that nobody has buried has ended."""
    state, *rest = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else rest[18]
