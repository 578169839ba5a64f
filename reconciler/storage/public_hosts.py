"""Requests that never reach this machine or its link: the address is checked once it is connected to.

A name can resolve to such an address, and to another one each time it is asked for, so the connection is what counts.
A proxy is asked whatever its address is: the environment names it, and no file of a repository.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from reconciler.model.local_hosts import is_local_address
from reconciler.storage.web_error import WebError


class _PublicHttp(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _PublicHttps(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


def _checked(connection: HTTPConnection, connected: socket.socket) -> socket.socket:
    """Return a socket; raises WebError, before anything is sent, if its peer is this machine or on a link."""
    address, own = (str(name[0]).partition("%")[0] for name in (connected.getpeername(), connected.getsockname()))
    if address == own or is_local_address(ipaddress.ip_address(address)):  # what is sent to oneself comes from there
        connected.close()
        message = f"{connection.host} is {address}, which is this machine, or on a link of it"
        raise WebError(message, f"write local_hosts: [{connection.host}] in mlgit.yml if that is meant")
    return connected


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _PublicHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHttps


class PublicAdapter(HTTPAdapter):
    """An adapter of requests that refuses addresses of this machine and of its link."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections, of those that check the address."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
