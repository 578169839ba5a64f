"""Files that other processes read while they are written: atomic JSON files, and the token file."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

_MAX_BYTES = 50_000_000
_MAX_FOLDERS = 400  # in each other, that files are looked for in; no store takes more


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


def walk_files(top: Path) -> Iterator[Path]:
    """Yield all that is below a folder and is none itself, links included; what cannot be read is passed over.

    `os.walk` calls itself for each folder, and a job can nest more of them than Python allows.
    """
    folders = [(top, 0)]
    while folders:
        folder, depth = folders.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)
                elif depth < _MAX_FOLDERS:
                    folders.append((Path(entry.path), depth + 1))


def remove_folder(folder: Path) -> bool:
    """Remove a folder with all that is in it as far as that is possible; return True if it is gone."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir() and not folder.is_symlink():  # perhaps because its folders are nested too deep
        _flatten(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return not os.path.lexists(folder)


def _flatten(top: Path) -> None:
    """Move all folders below those in a folder into it, as far as that is possible."""
    folders = _list_folders(top)
    while folders:
        for folder in _list_folders(folders.pop()):
            target = top / os.urandom(12).hex()
            with suppress(OSError):
                folders.append(folder.rename(target))


def _list_folders(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


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
