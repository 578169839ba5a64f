"""Opens datastores of servers of sftp; the key of the host is always compared with known hosts, and never added."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import asyncssh
from sshfs import SSHFileSystem

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._credentials import read_credentials, required
from reconciler.storage.datastores._errors import OWN_IDENTITY
from reconciler.storage.datastores._folders import FolderDatastore
from reconciler.storage.known_hosts import KnownHostsError, parse_known_hosts, read_known_hosts

_LABELS = {"/private_key": "private key", "/passphrase": "passphrase", "/password": "password"}
_PORT = 22
_SECONDS = 30


def open_sftp(settings: DatastoreSettings) -> FolderDatastore:
    """Return the datastore in a folder of a server; without bound secrets the keys and the agent of the user count."""
    own = settings.settings
    host, port = required(settings, own, "host"), int(own.get("port") or _PORT)
    user = str(own.get("user") or getpass.getuser())
    root = str(own.get("path") or ".")
    credentials = read_credentials(settings, _LABELS, OWN_IDENTITY)
    known_hosts = os.path.join(settings.folder, str(Path(own.get("known_hosts") or "~/.ssh/known_hosts").expanduser()))  # noqa: PTH118

    def connect() -> SSHFileSystem:
        values = credentials.values
        options: dict[str, object] = {}
        if private_key := values.get("private_key"):
            # A file that holds a key ends with a line end, which the reader of secrets cuts off.
            key = asyncssh.import_private_key(f"{private_key}\n", values.get("passphrase"))
            options |= {"client_keys": [key]}
        if password := values.get("password"):
            options |= {"password": password}
        if values:
            options |= {"agent_path": None, "config": None}
            options.setdefault("client_keys", None)
        return SSHFileSystem(
            host,
            port=port,
            username=user,
            known_hosts=_read_hosts(settings.name, known_hosts),
            connect_timeout=_SECONDS,
            login_timeout=_SECONDS,
            keepalive_interval=_SECONDS,
            **options,
            skip_instance_cache=True,  # it has no listings cache
        )

    location = f"sftp://{user}@{host}:{port}/{root.lstrip('/')}".rstrip("/")
    return FolderDatastore(credentials.place(settings.name, location), connect, root)


def _read_hosts(name: str, path: str) -> asyncssh.SSHKnownHosts:
    """Return the known hosts of a file; raises UserError ``datastore-host-key`` if it is no such file."""
    try:
        return parse_known_hosts(read_known_hosts(Path(path)), path)
    except KnownHostsError as error:
        raise user_error("datastore-host-key", f"datastore/{name}: {error}", error.hint) from error
