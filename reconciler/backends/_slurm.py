"""What the backend `slurm` does: runs are batch jobs of a cluster, whose nodes share no disk with mlgit.

On the machine that submits, this one or one that is reached by ssh, a program does that (`_slurm_node`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.backends._node_channel import Connection, ProcessConnection
from reconciler.backends._node_client import NodeClient
from reconciler.backends._ssh import DEFAULT_PYTHON, connect_by_ssh
from reconciler.backends.slurm import ON_NODE
from reconciler.model import Json
from reconciler.model.plugins import BackendContext
from reconciler.model.providers import Handle

_FOLDER = "folder"  # in the data of a handle


class SlurmBackend(NodeClient):
    """Runs jobs as batch jobs; ``folder`` is where this machine keeps notes."""

    provider = "slurm"

    def __init__(self, settings: Mapping[str, Json], folder: Path, context: BackendContext) -> None:
        super().__init__(folder / "slurm", str(settings.get("machine", "")))
        self._settings, self._context = settings, context
        self._connections: dict[str, Connection] = {}

    @property
    def _connection(self) -> Connection:
        return self._connect(self._settings["folder"])

    def _folder_of(self, handle: Handle) -> str:
        """Return the folder that a run was submitted with: that of mlgit.yml may be another one by now."""
        return str(handle.data.get(_FOLDER) or self._settings["folder"])

    def _connection_of(self, handle: Handle) -> Connection:
        return self._connect(self._folder_of(handle))

    def _make_handle(self, run: str) -> Handle:
        return Handle(self.provider, run, {_FOLDER: self._settings["folder"]})

    def _connect(self, folder: str) -> Connection:
        if folder not in self._connections:
            self._connections[folder] = self._make_connection({**self._settings, "folder": folder})
        return self._connections[folder]

    def _make_connection(self, settings: Mapping[str, Any]) -> Connection:
        own = {name: settings[name] for name in ON_NODE if name in settings}
        opening: dict[str, Any] = {"backend": "slurm", "settings": {**own, "name": self._context.name}}
        if "machine" in settings:
            return connect_by_ssh(settings, self._context, opening)
        return ProcessConnection(settings.get("python") or DEFAULT_PYTHON, settings["folder"], opening)


def make_slurm_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> SlurmBackend:
    """Return the backend with its settings in mlgit.yml."""
    return SlurmBackend(settings, folder, context)
