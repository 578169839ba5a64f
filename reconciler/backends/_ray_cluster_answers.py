"""What the hosts of a Ray cluster have answered, checked, as `_node_answers` checks what other machines answer.

All functions raise MessageError for a document that is no answer to what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from reconciler.backends._node_answers import is_text
from reconciler.backends._node_channel import MAX_WORDS
from reconciler.backends._node_messages import MessageError
from reconciler.backends._ray_cluster_files import LIMITS


class Found(NamedTuple):
    """Whether there are files of a cluster, and whether its head was started."""

    has_files: bool
    was_started: bool


class ClusterState(NamedTuple):
    """How a cluster is: the state of its head and why, the limits it follows, and nodes that are not as they should.

    ``silent`` are those whose agent gives no sign of life, and ``waiting`` says why Ray does not start on some.
    """

    state: str
    message: str
    has_agent: bool
    limits: Mapping[str, float]
    silent: Collection[str]
    waiting: Mapping[str, str]


def read_found(document: Any) -> Found:
    """Return what a host has of a cluster."""
    match document:
        case {"has_files": bool(has_files), "was_started": bool(was_started)}:
            return Found(has_files, was_started)
    raise MessageError("no answer about a cluster")


def read_state(document: Any, nodes: Collection[str]) -> ClusterState | None:
    """Return how a cluster with these nodes is, None if there is none."""
    match document:
        case {
            "state": str(state),
            "message": message,
            "has_agent": bool(has_agent),
            "limits": dict(limits),
            "silent": list(silent),
            "waiting": dict(waiting),
        }:
            if not all(map(is_text, (message, *silent, *waiting.values()))):
                raise MessageError("no state of a cluster")
            if not limits.keys() <= set(LIMITS) or not all(map(_is_limit, limits.values())):
                raise MessageError("limits that no cluster has")
            if not {*silent, *waiting} <= set(nodes):
                raise MessageError("a node that the cluster does not have")
            words = {name: text[:MAX_WORDS] for name, text in waiting.items()}
            return ClusterState(state, message[:MAX_WORDS], has_agent, limits, frozenset(silent), words)
        case {} if not document:
            return None
    raise MessageError("no state of a cluster")


def _is_limit(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
