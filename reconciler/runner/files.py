"""Files that other processes read while they are being written: each is there whole, or not there at all."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any


def to_json_line(document: Any) -> str:
    """Write a value as one line of JSON that every reader takes: no bare NaN, and ASCII for what UTF-8 refuses."""
    return json.dumps(document, allow_nan=False)


def write_json_atomically(path: Path, document: Any) -> None:
    """Put a JSON file in place in one step, safe on the disk before its name appears."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(to_json_line(document) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def reserve_token(path: Path, run: str) -> None:
    """Take the run's token; FileExistsError says that another runner has it, and this one must do nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(to_json_line({"run": run, "pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        file.flush()
        os.fsync(file.fileno())
