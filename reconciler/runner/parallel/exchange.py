"""Messages between the controller and another instance of the run: lines of JSON in files that all machines see.

Each side appends to a file of its own and reads that of the other one, in the folder of the run, which is its owner's
only. A file is opened for each look, so that a network disk asks its server.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_CHUNK_SIZE = 1 << 20  # bytes that one look reads
_MAX_LINE = 64 << 20  # bytes: the paths of a mini-batch can be many
_ORDERS_FILE, _EVENTS_FILE = "orders", "events"


class MessageTooLongError(Exception):
    """A message is longer than the other side would read."""


class Exchange:
    """The two files of an instance in a folder, which exists; the controller writes the orders."""

    def __init__(self, folder: Path, *, is_controller: bool, max_line: int = _MAX_LINE) -> None:
        own, other = (_ORDERS_FILE, _EVENTS_FILE) if is_controller else (_EVENTS_FILE, _ORDERS_FILE)
        self._own, self._other, self._max_line = folder / own, folder / other, max_line
        self._position = 0
        self._received = b""

    def send(self, message: dict[str, Any]) -> None:
        """Append a message; raises MessageTooLongError."""
        line = json.dumps(message).encode() + b"\n"
        if len(line) > self._max_line:
            raise MessageTooLongError(f"a message of {len(line)} bytes; the limit is {self._max_line}")
        with self._own.open("ab", buffering=0) as file:
            file.write(line)

    def receive(self) -> list[dict[str, Any]]:
        """Return what has come since the last look, whole lines only; raises MessageTooLongError."""
        try:
            with self._other.open("rb") as file:
                file.seek(self._position)
                chunk = file.read(_CHUNK_SIZE)
        except FileNotFoundError:
            os.listdir(self._other.parent)  # noqa: PTH208 - a network disk may remember that there was no such file
            return []
        self._position += len(chunk)
        *lines, self._received = (self._received + chunk).split(b"\n")
        if len(self._received) > self._max_line:
            raise MessageTooLongError(f"a message of more than {self._max_line} bytes in {self._other}")
        return [json.loads(line) for line in lines]
