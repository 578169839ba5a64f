"""A Docker engine as builders and backends reach it: a client of its SDK."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from reconciler.diagnostics import user_error
from reconciler.docker_socket import UNIX, unreachable_error

_TIMEOUT_SECONDS = 600


@contextmanager
def open_engine(address: str) -> Iterator[docker.DockerClient]:
    """Open a client of the engine; raises UserError ``docker-unreachable`` if it does not answer, also within.

    What it answers with an error, and who uses the client does not expect, is a UserError ``docker-refused``.
    """
    _check_socket(address)
    client = None
    try:
        client = docker.DockerClient.from_env(
            timeout=_TIMEOUT_SECONDS, environment={**os.environ, "DOCKER_HOST": address}
        )
        yield client
    except APIError as error:  # a RequestException too, but the engine has answered
        message = f"the Docker engine at {address} refused: {error.explanation or error}"
        raise user_error("docker-refused", message, "correct what it refused; its own log may say more") from error
    except RequestException as error:
        raise unreachable_error(address, error) from error
    except DockerException as error:
        if client is not None:
            raise
        raise unreachable_error(address, error) from error
    finally:
        if client is not None:
            client.close()


def _check_socket(address: str) -> None:
    """Connect to a socket once: the SDK leaves one open that it cannot connect."""
    if not address.startswith(UNIX):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address.removeprefix(UNIX))
        except OSError as error:
            raise unreachable_error(address, error.strerror or error) from error


def inspect_image(address: str, name: str) -> Mapping[str, Any] | None:
    """Return what an engine has of an image, None if it has none; see ``docker_socket.inspect_image``."""
    with open_engine(address) as client:
        try:
            attributes: Mapping[str, Any] = client.images.get(name).attrs
        except NotFound:
            return None
    return attributes
