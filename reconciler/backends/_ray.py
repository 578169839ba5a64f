"""What the backend `ray` does: runs are jobs of a Ray cluster, whose nodes share no disk with mlgit but for a folder.

On the machine that submits, a program does that (`_ray_node`): on this one, on one that is reached by ssh, or on the
head of a cluster that mlgit has made. If that is on this machine, the program runs in the network of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.backends._node_channel import Connection, ProcessConnection
from reconciler.backends._node_client import NodeClient
from reconciler.backends._ray_cluster_files import files_of_backend
from reconciler.backends._ray_cluster_network import find_entry
from reconciler.backends._ray_cluster_settings import find_ssh_settings
from reconciler.backends._ssh import DEFAULT_PYTHON, connect_by_ssh
from reconciler.backends.ray import ON_NODE, TOKEN
from reconciler.model import Json
from reconciler.model.clusters import makes_local_cluster
from reconciler.model.plugins import BackendContext
from reconciler.model.providers import Handle


class RayBackend(NodeClient):
    """Runs jobs as those of a Ray cluster; ``folder`` is where this machine keeps notes."""

    provider = "ray"

    def __init__(self, settings: Mapping[str, Json], folder: Path, context: BackendContext) -> None:
        hosts = settings.get("hosts")
        place = str(hosts[0]["machine"] if hosts else settings.get("machine", ""))
        super().__init__(folder / "ray", place, str(settings["folder"]))
        self._settings, self._context = settings, context

    def _folder_of(self, handle: Handle) -> str:
        """Return the folder of a run; a cluster that mlgit makes is replaced with its folder, and its runs are lost."""
        return super()._folder_of(handle) if "address" in self._settings else self._node_folder

    def _connect(self, folder: str) -> Connection:
        own = {name: self._settings[name] for name in ON_NODE if name in self._settings}
        more = {"name": self._context.name, "token": self._context.read_secret(TOKEN)}
        opening: dict[str, Any] = {"backend": "ray", "settings": {**own, **more}}
        if "hosts" in self._settings:
            head = find_ssh_settings(self._settings, self._settings["hosts"][0])
            return connect_by_ssh(head, self._context, opening)
        if "machine" in self._settings:
            return connect_by_ssh({**self._settings, "folder": folder}, self._context, opening)
        python = self._settings.get("python") or DEFAULT_PYTHON
        if makes_local_cluster(self._settings):
            files = files_of_backend(Path(folder).expanduser().resolve(), self._context.name)
            return ProcessConnection(python, folder, opening, lambda: find_entry(files))
        return ProcessConnection(python, folder, opening)


def make_ray_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> RayBackend:
    """Return the backend with its settings in mlgit.yml."""
    return RayBackend(settings, folder, context)
