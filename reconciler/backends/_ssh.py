"""What the backend `ssh` does: runs are processes of another machine, with which this one shares no disk.

On that machine the backend `local` runs them, as a program that is sent there (`_node_program`). ``_ssh_connection`` is
loaded by name, when the machine is asked: asyncssh is slow to import, and an extra.
"""

from __future__ import annotations

import getpass
import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.backends._node_channel import Connection
from reconciler.backends._node_client import NodeClient
from reconciler.backends._ssh_find import EXTRA_HINT, has_extra
from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.model.plugins import BackendContext

_LABELS = {"/private_key": "private key", "/passphrase": "passphrase", "/password": "password"}
_ON_NODE = ("slots", "gpus", "gpus_per_run")  # settings of the backend `local` there
_PORT = 22
DEFAULT_FOLDER, DEFAULT_PYTHON = "~/.local/share/mlgit", "python3"


class SshBackend(NodeClient):
    """Runs jobs as processes of another machine; ``folder`` is where this one keeps notes."""

    provider = "ssh"

    def __init__(self, settings: Mapping[str, Json], folder: Path, context: BackendContext) -> None:
        super().__init__(folder / "ssh", str(settings["machine"]), str(settings.get("folder") or DEFAULT_FOLDER))
        self._settings, self._context = settings, context

    def _connect(self, folder: str) -> Connection:
        own = {name: self._settings[name] for name in _ON_NODE if name in self._settings}
        opening = {"backend": "local", "settings": own}
        return connect_by_ssh({**self._settings, "folder": folder}, self._context, opening)


def make_ssh_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> SshBackend:
    """Return the backend with its settings in mlgit.yml."""
    return SshBackend(settings, folder, context)


def connect_by_ssh(settings: Mapping[str, Any], context: BackendContext, opening: Mapping[str, Any]) -> Connection:
    """Return the connection to a machine, not yet made; ``opening`` is the first message to its program.

    Raises UserError ``extra-missing`` or ``secret-missing``.
    """
    if not has_extra():
        message = f"the backend {context.name} needs the package asyncssh, which is not installed"
        raise user_error("extra-missing", message, EXTRA_HINT)
    machine_module = importlib.import_module("reconciler.backends._ssh_machine")
    module = importlib.import_module("reconciler.backends._ssh_connection")
    values = {pointer: context.read_secret(pointer) for pointer in _LABELS}
    names = " and ".join(f"the {_LABELS[pointer]}" for pointer, value in values.items() if value)
    known_hosts = Path(settings.get("known_hosts") or "~/.ssh/known_hosts").expanduser()
    connection: Connection = module.SshConnection(
        machine_module.Machine(
            name=context.name,
            host=settings["machine"],
            port=int(settings.get("port") or _PORT),
            user=settings.get("user") or getpass.getuser(),
            known_hosts=Path(os.path.join(context.folder, known_hosts)),  # noqa: PTH118 - either may be whole
            host_key=settings.get("host_key", ""),
            credentials={pointer.removeprefix("/"): value for pointer, value in values.items() if value},
            credential_names=names,
            python=settings.get("python") or DEFAULT_PYTHON,
            folder=settings.get("folder") or DEFAULT_FOLDER,
            opening=opening,
        )
    )
    return connection
