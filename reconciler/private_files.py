"""Files and folders that only their owner can use, whatever the umask: what runs are told, and state of one clone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe is an error, not waited for


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can use, with its parents; one that others can use is closed to them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OTHERS:
        with suppress(PermissionError):  # it belongs to another user, who decides
            folder.chmod(0o700)


def create_private_file(path: Path, content: bytes = b"") -> None:
    """Write a file that only its owner can use."""
    with os.fdopen(os.open(path, _WRITE_FLAGS | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def touch_private_file(path: Path) -> None:
    """Make a file that only its owner can use, or set the time of its last change."""
    os.close(os.open(path, _WRITE_FLAGS, 0o600))
    os.utime(path)
