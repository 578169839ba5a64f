"""A Docker engine as builders and backends reach it: its address, a client, and what mlgit's labels are called."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from reconciler.diagnostics import UserError, user_error

LABELS = "dev.mlgit."
"""How each label begins that mlgit sets on what it makes."""
_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_TIMEOUT_SECONDS = 600


def engine_address(setting: str) -> str:
    """Return the address of the engine: that of the settings, else of ``DOCKER_HOST``, else the usual socket."""
    return setting or os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS


@contextmanager
def open_engine(address: str) -> Iterator[docker.DockerClient]:
    """Open a client of the engine; raises UserError ``docker-unreachable`` if it does not answer, also within."""
    _check_socket(address)
    client = None
    try:
        client = docker.DockerClient.from_env(
            timeout=_TIMEOUT_SECONDS, environment={**os.environ, "DOCKER_HOST": address}
        )
        yield client
    except RequestException as error:
        raise _unreachable(address, error) from error
    except DockerException as error:
        if client is not None:
            raise
        raise _unreachable(address, error) from error
    finally:
        if client is not None:
            client.close()


def _check_socket(address: str) -> None:
    """Connect to a socket once: the SDK leaves one open that it cannot connect."""
    if not address.startswith(_UNIX):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address.removeprefix(_UNIX))
        except OSError as error:
            raise _unreachable(address, error.strerror or error) from error


def _unreachable(address: str, cause: object) -> UserError:
    message = f"the Docker engine at {address} does not answer: {cause}"
    hint = "start it (systemctl start docker), or name another one: DOCKER_HOST, or engine: in mlgit.yml"
    return user_error("docker-unreachable", message, hint)
