"""The nodes of a cluster as Ray's autoscaler sees them: it runs in Ray's own Python on the head, and imports no mlgit.

Each type of node is one host. What the autoscaler decides is written into a file, which the agents on the hosts read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ray.autoscaler.batching_node_provider import BatchingNodeProvider, NodeData, ScaleRequest
from ray.autoscaler.tags import NODE_KIND_HEAD, NODE_KIND_WORKER, STATUS_UP_TO_DATE

_HEAD = "head"  # the type of its node, as in the configuration


class HostProvider(BatchingNodeProvider):  # type: ignore[misc, unused-ignore]
    """The hosts of a cluster, by the folder of its files."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self._folder = Path(provider_config["folder"])
        self._addresses: dict[str, str] = provider_config["addresses"]  # by type of node

    def get_node_data(self) -> dict[str, NodeData]:
        """Return the nodes that there are to be; one whose Ray does not run yet has the status that says so."""
        nodes = {_HEAD: NodeData(NODE_KIND_HEAD, _HEAD, self._addresses[_HEAD], STATUS_UP_TO_DATE)}
        for name in self._wanted():
            status = STATUS_UP_TO_DATE if self._is_running(name) else "waiting for Ray to start"
            nodes[name] = NodeData(NODE_KIND_WORKER, name, self._addresses[name], status)
        return nodes

    def submit_scale_request(self, scale_request: ScaleRequest) -> None:
        """Write which hosts are to have a node."""
        wanted = {name for name, count in scale_request.desired_num_workers.items() if count}
        names = sorted(wanted - set(scale_request.workers_to_delete))
        part = self._folder / f".wanted.{os.getpid()}"
        part.write_text(json.dumps({"hosts": names}), encoding="utf-8")
        part.replace(self._folder / "wanted.json")

    def _wanted(self) -> list[str]:
        document = _read(self._folder / "wanted.json")
        return [name for name in document.get("hosts", []) if name in self._addresses]

    def _is_running(self, name: str) -> bool:
        return bool(_read(self._folder / "hosts" / f"{name}.json").get("state") == "running")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it was not written yet
        return {}
    return document if isinstance(document, dict) else {}
