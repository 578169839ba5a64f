"""What a Docker engine says of an image, asked over its socket: without the SDK of Docker, which takes long to import.

Imported by name: the SDK, for an engine that is not behind a socket of this machine.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from reconciler.diagnostics import UserError, user_error

LABELS = "dev.mlgit."
"""How each label begins that mlgit sets on what it makes."""
UNIX = "unix://"
_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_TIMEOUT_SECONDS = 60
_OK, _NOT_FOUND = 200, 404


class _SocketConnection(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__(host="localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def engine_address(setting: str) -> str:
    """Return the address of the engine: that of the settings, else of ``DOCKER_HOST``, else the usual socket."""
    return setting or os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS


def inspect_image(address: str, name: str) -> Mapping[str, Any] | None:
    """Return what an engine has of an image, by a name, a digest or its id; None if it has none.

    Raises UserError ``docker-unreachable`` if it does not answer.
    """
    if not address.startswith(UNIX):
        attributes: Mapping[str, Any] | None = importlib.import_module("reconciler.docker_engine").inspect_image(
            address, name
        )
        return attributes
    return _get(address, f"/images/{quote(name, safe='/:@')}/json")


def inspect_engine(address: str) -> Mapping[str, Any]:
    """Return what an engine behind a socket of this machine says of itself; raises UserError ``docker-unreachable``."""
    return _get(address, "/info") or {}


def _get(address: str, path: str) -> Mapping[str, Any] | None:
    """Return the object that an engine answers, None if it has none; raises UserError ``docker-unreachable``."""
    connection = _SocketConnection(address.removeprefix(UNIX))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unreachable_error(address, getattr(error, "strerror", None) or error) from error
    finally:
        connection.close()
    if response.status == _NOT_FOUND:
        return None
    if response.status != _OK or not isinstance(body, dict):
        raise unreachable_error(address, body.get("message") if isinstance(body, dict) else response.reason)
    return body


def unreachable_error(address: str, cause: object) -> UserError:
    """Return the error of an engine that does not answer."""
    message = f"the Docker engine at {address} does not answer: {cause}"
    hint = "start it (systemctl start docker), or name another one: DOCKER_HOST, or engine: in mlgit.yml"
    return user_error("docker-unreachable", message, hint)
