"""Cuts connections that make no progress: the timeout of a socket begins anew with each byte that comes."""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import suppress

_LOOKS = 20  # for each limit


class ConnectionGuard:
    """Watches one connection of each thread, and cuts it once it was not heard of for some seconds.

    Whoever uses a connection that was cut finds that it was closed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: dict[int, tuple[socket.socket, float]] = {}
        self._cut: set[int] = set()
        self._is_closed = threading.Event()
        threading.Thread(target=self._look, name="connection guard", daemon=True).start()

    def watch(self, connection: socket.socket) -> None:
        """Watch a connection for this thread, in place of the one before: something has to come now."""
        self._cut.discard(threading.get_ident())
        self._watched[threading.get_ident()] = (connection, time.monotonic() + self._seconds)

    def resume(self) -> None:
        """Watch the connection of this thread again."""
        if watched := self._watched.get(threading.get_ident()):
            self._watched[threading.get_ident()] = (watched[0], time.monotonic() + self._seconds)

    def pause(self) -> bool:
        """Wait for nothing of the connection of this thread; return True if it was cut since this was asked last."""
        if watched := self._watched.get(threading.get_ident()):
            self._watched[threading.get_ident()] = (watched[0], math.inf)
        is_cut = threading.get_ident() in self._cut
        self._cut.discard(threading.get_ident())
        return is_cut

    def close(self) -> None:
        """Watch nothing more."""
        self._is_closed.set()

    def _look(self) -> None:
        while not self._is_closed.wait(self._seconds / _LOOKS):
            for thread, (connection, end) in list(self._watched.items()):
                if time.monotonic() >= end:
                    self._cut.add(thread)
                    with suppress(OSError):  # it was closed meanwhile
                        # Not the method of an SSL socket, after which the bytes that come would count as not encrypted.
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)
