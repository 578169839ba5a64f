"""The arguments of ``ray start`` that a job with a Ray cluster adds: those that are not set for the cluster anyway."""

from __future__ import annotations

import shlex

# Of the address and the ports of the cluster, who reaches it, and how the run starts and watches its nodes.
SET_BY_RUNS = (
    *("--address", "--block", "--dashboard-agent-listen-port", "--dashboard-host", "--dashboard-port", "--head"),
    *("--include-dashboard", "--log-color", "--log-style", "--max-worker-port", "--min-worker-port"),
    *("--node-ip-address", "--port", "--ray-client-server-port", "--ray-debugger-external", "--temp-dir"),
)
_ENDING = ("--help", "--version")  # with these it starts no node
_EXPRESSION = "${{"


def are_ray_arguments(text: str) -> bool:
    """Return True for arguments that a job can add: options, with their values, that are not set anyway."""
    try:
        words = shlex.split(text)
    except ValueError:
        return False
    names = [word.partition("=")[0] for word in words]
    is_options = all(name.startswith("-") for name in names[:1])  # `ray start` takes no argument without an option
    return is_options and _EXPRESSION not in text and not {*SET_BY_RUNS, *_ENDING}.intersection(names)
