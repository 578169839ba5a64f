"""A node of the Ray cluster of a job: it becomes ``ray start``, in the Python of the environment, and is not imported.

The first argument is a port for clients of the head, 0 for none: Ray takes it only where it can serve them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys


def main() -> None:
    """Be a node until the process is ended."""
    sys.path[:] = [entry for entry in sys.path if entry]  # without the code of the job, which is the current folder
    port, *options = sys.argv[1:]
    if int(port) and importlib.util.find_spec("grpc"):
        options.append(f"--ray-client-server-port={port}")
    sys.argv = ["ray", "start", *options]
    importlib.import_module("ray.scripts.scripts").main()


if __name__ == "__main__":
    main()
