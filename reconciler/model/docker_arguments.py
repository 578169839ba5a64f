"""The arguments of ``docker run`` in a job's ``docker_args``: those that are supported, as values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING

_SIZE = re.compile(r"(?i)(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?")
_FACTORS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_ULIMIT = re.compile(r"([a-z]+)=(-?\d+)(?::(-?\d+))?")
_IPC_MODES = ("host", "none", "private", "shareable")
_NETWORKS = ("bridge", "none")
SUPPORTED = "--cpus, --ipc, --memory (-m), --network bridge or none, --pids-limit, --shm-size, --ulimit"


class DockerArguments(NamedTuple):
    """What arguments of ``docker run`` say; None and "" for what they do not say. Sizes are in bytes.

    ``ulimits`` have the soft and the hard limit by name.
    """

    cpus: float | None = None
    memory: int | None = None
    shm_size: int | None = None
    pids: int | None = None
    ipc: str = ""
    network: str = ""
    ulimits: Mapping[str, tuple[int, int]] = EMPTY_MAPPING


def parse_size(text: str) -> int | None:
    """Return a size as ``docker run`` reads it, as in ``2g``, in bytes; None if it is none."""
    match = _SIZE.fullmatch(text.strip())
    return round(float(match[1]) * _FACTORS[match[2].lower()]) if match else None


def parse_docker_arguments(text: str) -> DockerArguments | str:
    """Return what arguments say, or which argument is not supported."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"{text!r} cannot be read: {error}"
    arguments = DockerArguments()
    while words:
        name, is_joined, value = words.pop(0).partition("=")
        if name not in _OPTIONS:
            return f"{name} is not supported, but {SUPPORTED} are"
        if not is_joined:
            if not words:
                return f"{name} has no value"
            value = words.pop(0)
        changed = _OPTIONS[name](arguments, value)
        if changed is None:
            return f"{name} {value} is not supported"
        arguments = changed
    return arguments


def _with_cpus(arguments: DockerArguments, value: str) -> DockerArguments | None:
    is_number = re.fullmatch(r"\d+(\.\d+)?", value)
    return arguments._replace(cpus=float(value)) if is_number and float(value) else None


def _with_memory(arguments: DockerArguments, value: str) -> DockerArguments | None:
    size = parse_size(value)
    return arguments._replace(memory=size) if size else None


def _with_shm_size(arguments: DockerArguments, value: str) -> DockerArguments | None:
    size = parse_size(value)
    return arguments._replace(shm_size=size) if size else None


def _with_pids(arguments: DockerArguments, value: str) -> DockerArguments | None:
    return arguments._replace(pids=int(value)) if value.isdecimal() and int(value) else None


def _with_ipc(arguments: DockerArguments, value: str) -> DockerArguments | None:
    return arguments._replace(ipc=value) if value in _IPC_MODES else None


def _with_network(arguments: DockerArguments, value: str) -> DockerArguments | None:
    return arguments._replace(network=value) if value in _NETWORKS else None


def _with_ulimit(arguments: DockerArguments, value: str) -> DockerArguments | None:
    match = _ULIMIT.fullmatch(value)
    if match is None:
        return None
    limits = (int(match[2]), int(match[3] or match[2]))
    return arguments._replace(ulimits={**arguments.ulimits, match[1]: limits})


_OPTIONS: Mapping[str, Callable[[DockerArguments, str], DockerArguments | None]] = {
    "--cpus": _with_cpus,
    "--ipc": _with_ipc,
    "--memory": _with_memory,
    "-m": _with_memory,
    "--net": _with_network,
    "--network": _with_network,
    "--pids-limit": _with_pids,
    "--shm-size": _with_shm_size,
    "--ulimit": _with_ulimit,
}
