"""Files that other processes read while they are written: atomic JSON files, and the token file."""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

_MAX_BYTES = 50_000_000


def read_json_object(path: Path) -> dict[str, Any] | None:
    """Return the object of a JSON file; None if it is absent, incomplete, or anything but a file with an object.

    A named pipe in the place of the file is not waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            document = parse_json(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_shared_json(path: Path) -> dict[str, Any] | None:
    """Return the object of a JSON file that another machine writes; None if there is none yet."""
    with suppress(OSError):
        os.listdir(path.parent)  # noqa: PTH208 - the names do not count
    return read_json_object(path)


def new_id() -> str:
    """Return hexadecimal digits that nothing else has; the module ``uuid`` is slow to load."""
    return os.urandom(16).hex()


def parse_json(raw: bytes) -> Any:
    """Return the value of JSON; half a surrogate pair, which is no text that can be stored, becomes a question mark."""
    document = json.loads(raw)
    if b"\\ud" in raw.lower():
        document = json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    return document


def to_json_line(document: Any) -> str:
    """Return a value as one line of JSON that every reader accepts: no bare NaN, and escapes for non-ASCII text."""
    return json.dumps(document, allow_nan=False)


def write_json_atomically(path: Path, document: Any, *, synced: bool = True) -> None:
    """Write a JSON file that appears under its name when it is complete, for its owner only.

    It is synced to the disk before, unless what it says can be lost when the power fails.
    """
    _write_beside(path, document, synced=synced).replace(path)


def write_json_once(path: Path, document: Any) -> None:
    """Write a JSON file as `write_json_atomically` does, unless there is one; raises FileExistsError then."""
    temporary = _write_beside(path, document, synced=True)
    try:
        path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def reserve_token(path: Path, run: str) -> None:
    """Create the file of the run's token; raises FileExistsError if another runner has done so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        _write(file, {"run": run, "pid": os.getpid(), "host": socket.gethostname()})


def _write_beside(path: Path, document: Any, *, synced: bool) -> Path:
    """Write a JSON file under a name of its own in the folder of another one, and return it."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")  # threads write at once too
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        _write(file, document, synced=synced)
    return temporary


def _write(file: TextIO, document: Any, *, synced: bool = True) -> None:
    file.write(to_json_line(document) + "\n")
    file.flush()
    if synced:
        os.fsync(file.fileno())
