"""Clusters that a backend makes for a compute, as its settings in mlgit.yml say: on hosts, or on this machine alone."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.assets import Json

HOSTS = "hosts"
CLUSTER_SETTINGS = (HOSTS, "folder", "python", "ray", "user", "port", "known_hosts")
"""Settings of a backend with which it makes the cluster of a compute: others make another cluster."""
MAX_LOCAL_NODES = 200
"""The most nodes of a cluster on one machine, each of which has an address of its network."""
_TYPES = frozenset({"ray"})  # of backends that make clusters
_ELSEWHERE = frozenset({HOSTS, "address", "machine"})


def makes_cluster(settings: Mapping[str, Json]) -> bool:
    """Return True if a backend with these settings makes the cluster of the compute that is bound to it."""
    return HOSTS in settings or makes_local_cluster(settings)


def makes_local_cluster(settings: Mapping[str, Json]) -> bool:
    """Return True if a backend makes the cluster on this machine: nothing says where else, or which one exists."""
    return settings.get("type") in _TYPES and not _ELSEWHERE & settings.keys()
