"""A node of the Ray cluster of a job: it becomes ``ray start``, in the Python of the environment, and is not imported.

The first argument is a port for clients of the head, 0 for none: Ray takes it only where it can serve them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Be a node until the process is ended."""
    sys.path[:] = [entry for entry in sys.path if entry]  # without the code of the job, which is the current folder
    port, *options = sys.argv[1:]
    if int(port) and importlib.util.find_spec("grpc"):
        options.append(f"--ray-client-server-port={port}")
    sys.argv = ["ray", "start", *options]
    scripts = importlib.import_module("ray.scripts.scripts")
    if os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0":
        _allow_workers(scripts)
    scripts.main()


def _allow_workers(scripts: Any) -> None:
    """Let a node join another one of its machine: by itself Ray has one node only that is on the loopback interface."""
    if constants := getattr(scripts, "ray_constants", None):
        scripts.ray_constants = SimpleNamespace(**{**vars(constants), "ENABLE_RAY_CLUSTER": True})


if __name__ == "__main__":
    main()
