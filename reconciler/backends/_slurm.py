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


class SlurmBackend(NodeClient):
    """Runs jobs as batch jobs; ``folder`` is where this machine keeps notes."""

    provider = "slurm"

    def __init__(self, settings: Mapping[str, Json], folder: Path, context: BackendContext) -> None:
        super().__init__(folder / "slurm", str(settings.get("machine", "")), str(settings["folder"]))
        self._settings, self._context = settings, context

    def _connect(self, folder: str) -> Connection:
        own = {name: self._settings[name] for name in ON_NODE if name in self._settings}
        opening: dict[str, Any] = {"backend": "slurm", "settings": {**own, "name": self._context.name}}
        if "machine" in self._settings:
            return connect_by_ssh({**self._settings, "folder": folder}, self._context, opening)
        return ProcessConnection(self._settings.get("python") or DEFAULT_PYTHON, folder, opening)


def make_slurm_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> SlurmBackend:
    """Return the backend with its settings in mlgit.yml."""
    return SlurmBackend(settings, folder, context)
