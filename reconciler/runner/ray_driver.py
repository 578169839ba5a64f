"""The job of a run on several nodes of Ray: it becomes a driver of the cluster, in the Python of Ray itself."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from .spec import RunSpec

_WORKER_OPTION = "--python_worker_command="  # of Ray's process on a node, which starts all others there


def become_driver(spec: RunSpec, spec_file: Path, runner: Sequence[str], resources: str) -> int:
    """Replace this process by a driver that starts the instances of a run; return an exit code if it cannot be.

    ``runner`` are the words that start a runner, and ``resources`` what each instance asks Ray for, as JSON.
    """
    settings = {
        "runner": list(runner),
        "spec": str(spec_file),
        "launch": f"ray-{os.urandom(6).hex()}",
        "instances": spec.instances,
        "resources": json.loads(resources),
    }
    source = files(__package__ or "runner").joinpath("ray_launcher.py").read_text(encoding="utf-8")
    if python := find_ray_python(os.getppid()):
        os.execv(python, [python, "-c", source, json.dumps(settings)])  # noqa: S606 - the program is Ray's
    sys.stderr.write("the Python of Ray was not found: no ancestor of this job is Ray's raylet\n")
    return 1


def find_ray_python(process: int) -> str | None:
    """Return the Python that Ray starts its processes with on this node, as an ancestor of a process says."""
    for ancestor in _list_ancestors(process):
        try:
            words = Path(f"/proc/{ancestor}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            return None
        for word in words:
            if word.startswith(_WORKER_OPTION):
                return next(iter(shlex.split(word.removeprefix(_WORKER_OPTION))), None)
    return None


def _list_ancestors(process: int) -> Iterator[int]:
    """Yield a process and its ancestors."""
    while process > 1:
        yield process
        try:
            status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        except OSError:
            return
        process = int(status.rpartition(")")[2].split()[1])
