"""The Ray cluster of a job: each instance is a node of it, and the command begins when all nodes are there.

``ray`` is that of the environment of the job. The nodes are processes of the runners of their instances, which end
them. They have ports and a folder of their own, so that several clusters can be on a machine, and let nobody in who
cannot read the token of the run, as far as the version of Ray knows tokens.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .descendants import MARK_VARIABLE
from .distribution import RAY_TEMPORARY_FILE, ProcessRole, RayNode
from .result import Failure, RunFailedError, signal_name
from .spec import RunSpec

RAY_FOLDER = "ray"
_PROGRAM, _PYTHONS = "ray", ("python", "python3")
_READY_FILE, _TOKEN_FILE, _OWNER_FILE = "ready", "token", "of-run"
_MISSING = "add ray[default] to the pip packages of its environment, or to its image"
# Ray takes the address of the machine for 127.0.0.1 otherwise, and opens its ports on all addresses.
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"
# Ray has sockets in its temporary folder, whose paths have 107 characters at most, 72 of them its own.
_TEMPORARY_LENGTH = 107 - 72 - len("/mlgit-run-12345678")
_TEMPORARY = re.compile(r"/(?:[\w.-]+/)+mlgit-run-\w{8}")
# Its arguments are the file that says that the head is there, that for what the node writes, and the words of the node.
# On a busy machine the parts of a node wait for each other in vain for half a minute: it is started again then.
_START = """
log=$1; shift
for try in 1 2 3; do
  "$@" >"$log" 2>&1; code=$?
  if [ $code = 0 ] || ! grep -q "timed out during startup" "$log"; then break; fi
done
[ $code = 0 ] || tail -n 40 "$log"
exit $code
"""
_AFTER_HEAD = 'until ls "${0%/*}" >/dev/null 2>&1 && [ -e "$0" ]; do sleep 0.2; done; '


def ray_words(
    role: ProcessRole, node: RayNode, words: Sequence[str], spec: RunSpec, variables: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the words and the variables that start a node, or the command, of which ``words`` are those.

    The folder of the ``spec`` is that of the instance. Raises RunFailedError if the environment has no Ray.
    """
    python = _find_python(variables)
    shared = Path(variables[MARK_VARIABLE]) / RAY_FOLDER
    ready = shared / _READY_FILE
    own = {**_own_variables(shared), **variables, **(_ON_LOOPBACK if node.is_on_loopback else {})}
    if not node.number:
        _make_token(shared)
    if not role.is_server:
        waiting = (python, "-c", _read_source("ray_command"), node.head, str(node.nodes), str(ready))
        return (*waiting, str(shared / "command.log"), *words), own
    own.pop("RAY_ADDRESS", None)  # of another cluster
    options = (f"--temp-dir={_make_temporary(spec.folder, variables)}/{node.number}", *_resources(node, own, spec.cpus))
    start = (python, "-c", _read_source("ray_node"), str(node.client_port), *options, *node.options)
    log = spec.folder / f"ray-{node.number}.log"
    return ("/bin/sh", "-c", (_AFTER_HEAD if node.number else "") + _START, str(ready), str(log), *start), own


def ray_failure(role: ProcessRole, return_code: int) -> Failure:
    """Return the failure of a job of which a node has ended."""
    name = signal_name(-return_code) if return_code < 0 else None
    reason = f"was ended by {name}" if name else f"ended with exit code {return_code}"
    node = f"the Ray node of instance {role.instance}" if role.ray and role.ray.nodes > 1 else "the Ray node of the run"
    message = f"{node} {reason}; what it wrote last is in the log as [{role.label}]"
    return Failure("user", message, None if name else return_code, name)


def remove_ray_folder(folder: Path) -> None:
    """Remove the temporary folder of the nodes of an instance, if there is one, when their processes have ended.

    Its path is in a file that a job can write to: what is no such folder, or that of another run, stays.
    """
    note = folder / RAY_TEMPORARY_FILE
    with suppress(OSError, ValueError):
        path = Path(note.read_text(encoding="utf-8"))
        is_made_here = _TEMPORARY.fullmatch(str(path)) and ".." not in path.parts
        if is_made_here and (path / _OWNER_FILE).read_text(encoding="utf-8") == str(folder):
            shutil.rmtree(path, ignore_errors=True)
        note.unlink()


def _find_python(variables: Mapping[str, str]) -> str:
    """Return the Python of Ray: that beside its program, as both can be links in the layer of a run."""
    program = shutil.which(_PROGRAM, path=variables["PATH"])
    if program is None:
        message = f"there is no ray, which starts the cluster of a job with distribution ray: {_MISSING}"
        raise RunFailedError(Failure("user", message))
    beside = (shutil.which(name, path=str(Path(program).parent)) for name in _PYTHONS)
    others = (shutil.which(name, path=variables["PATH"]) for name in _PYTHONS)
    if shutil.which("bash", path=variables["PATH"]) is None:
        message = "there is no bash, by which Ray starts its processes: add it to the image of the environment"
        raise RunFailedError(Failure("user", message))
    python = next(filter(None, (*beside, *others)), None)
    if python is None:
        raise RunFailedError(Failure("user", f"there is no Python for {program}: {_MISSING}"))
    return python


def _own_variables(shared: Path) -> dict[str, str]:
    """Return the variables of Ray that a job can set otherwise."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(shared / _TOKEN_FILE),
        "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to others
        "RAY_agent_register_timeout_ms": "120000",  # on a busy machine its half minute is too short
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "240",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # all nodes end at once, so none has others to move work to
    }


def _make_token(shared: Path) -> None:
    shared.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):  # the command and the head have the same one
        descriptor = os.open(shared / _TOKEN_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(os.urandom(32).hex())


def _make_temporary(folder: Path, variables: Mapping[str, str]) -> str:
    """Return a temporary folder for the nodes of an instance, on the disk that is for such files if its path is short.

    It is noted before Ray has it, so that `remove_ray_folder` finds it.
    """
    note = folder / RAY_TEMPORARY_FILE
    with suppress(FileNotFoundError):
        return note.read_text(encoding="utf-8")
    parent = str(Path(variables.get("TMPDIR") or "/tmp"))  # noqa: S108 - in which it makes a folder of its own
    is_usable = len(parent) <= _TEMPORARY_LENGTH and os.access(parent, os.W_OK | os.X_OK)
    path = Path(parent if is_usable else "/tmp", f"mlgit-run-{os.urandom(4).hex()}")  # noqa: S108 - the same
    path.mkdir(mode=0o700)
    (path / _OWNER_FILE).write_text(str(folder), encoding="utf-8")
    note.write_text(str(path), encoding="utf-8")
    return str(path)


def _resources(node: RayNode, variables: Mapping[str, str], cpus: float | None) -> Iterator[str]:
    """Yield the options with what the node has; Ray finds out what is not known."""
    if cpus is None and node.sharing > 1:
        has_affinity = hasattr(os, "sched_getaffinity")
        cpus = (len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1) / node.sharing
    if cpus is not None:
        yield f"--num-cpus={max(1, int(cpus))}"
    if (devices := variables.get(_DEVICES_VARIABLE)) is not None:
        yield f"--num-gpus={sum(name.strip() not in ('', '-1') for name in devices.split(','))}"


def _read_source(name: str) -> str:
    resources = importlib.import_module("importlib.resources")  # which other runs need not wait for
    source: str = resources.files(__package__ or "runner").joinpath(f"{name}.py").read_text(encoding="utf-8")
    return source
