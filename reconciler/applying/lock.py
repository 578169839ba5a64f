"""One apply at a time on this machine: a lock that the kernel lets go of, whatever becomes of its holder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.applying.act import now
from reconciler.diagnostics import failure
from reconciler.git.repository import user


@contextmanager
def applying(folder: Path, name: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a state; a UserError names the holder where another has it and ``wait`` is off."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / f"apply-{name}.json"
    lock = FileLock(folder / f"apply-{name}.lock")
    try:
        with lock.acquire(timeout=-1 if wait else 0):
            holder.write_text(json.dumps({"pid": os.getpid(), "user": user(), "since": now()}), encoding="utf-8")
            yield
    except Timeout as error:
        message = f"another apply is at work on this workspace{_who(holder)}"
        raise failure("apply-running", message, "wait until it has ended; nothing was changed") from error


def _who(holder: Path) -> str:
    try:
        found = json.loads(holder.read_bytes())
    except (FileNotFoundError, ValueError):
        return ""
    return f": process {found['pid']} of {found['user']}, since {found['since']}"
