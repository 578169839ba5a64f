"""The files of a builder that makes prefixes: markers, an index by fingerprint, and locks, all below one folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reconciler.builders._finished import INDEX_FOLDER, MARKER, index_path, read_json, safe_file_name
from reconciler.builders._programs import let_programs_inherit
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import LocalBuild, ReportProgress
from reconciler.regular_files import folder_size

LOCK_FOLDER = "locks"


def list_prefixes(root: Path) -> tuple[LocalBuild, ...]:
    """Return the prefixes below a folder that have a marker, each with the fingerprints whose index names it."""
    fingerprints: dict[str, set[str]] = {}
    for path in _children(root / INDEX_FOLDER):
        fingerprints.setdefault(str(read_json(path).get("identity")), set()).add(path.stem)
    return tuple(
        LocalBuild(
            str(prefix),
            frozenset(fingerprints.get(str(read_json(prefix / MARKER).get("identity")), ())),
            folder_size(prefix),
            (prefix / MARKER).stat().st_mtime,
            str(read_json(prefix / MARKER).get("environment", "")),
        )
        for prefix in _children(root)
        if (prefix / MARKER).is_file()
    )


def remove_listed_prefix(root: Path, build: LocalBuild) -> bool:
    """Remove a prefix and its entries in the index; return False if a build of it is going on."""
    prefix = Path(build.id)
    identity = str(read_json(prefix / MARKER).get("identity", ""))
    with ExitStack() as stack:
        try:
            for key in (*sorted(build.fingerprints), identity):  # in the order of builds
                stack.enter_context(FileLock(lock_path(root, key), timeout=0))
        except Timeout:
            return False
        for fingerprint in build.fingerprints:
            if read_json(index := index_path(root, fingerprint)).get("identity") == identity:
                index.unlink(missing_ok=True)
        remove_prefix(prefix)
    return True


def lock_path(root: Path, key: str) -> Path:
    """Return the lock file of a fingerprint or an identity; its folder is made."""
    folder = root / LOCK_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{safe_file_name(key)}.lock"


@contextmanager
def exclusive_lock(root: Path, key: str, progress: ReportProgress) -> Iterator[None]:
    """Hold the lock of a fingerprint or an identity on this machine; always acquired in this order."""
    lock = FileLock(lock_path(root, key))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("waiting for another build of the same environment")
        lock.acquire()
    try:
        # The descriptor is no part of the interface of filelock.
        with let_programs_inherit(lock._context.lock_file_fd):  # type: ignore[arg-type]  # noqa: SLF001
            yield
    finally:
        lock.release()


def format_package_count(count: int) -> str:
    """Return ``1 package`` or ``2 packages``."""
    return f"{count} package" + ("" if count == 1 else "s")


def remove_prefix(prefix: Path) -> None:
    """Remove a prefix, its marker first, so that an incomplete one is never used."""
    (prefix / MARKER).unlink(missing_ok=True)
    if prefix.exists():
        shutil.rmtree(prefix)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        json.dump(document, file, indent=1)
    os.replace(file.name, path)  # noqa: PTH105  -- file.name is a str


def cache_error(address: str, folder: Path, error: OSError) -> UserError:
    """Return the error of a build that could not write its files below a folder of the cache."""
    if error.errno == errno.ENOSPC:
        message = f"{address}: the disk with {folder} is full"
        hint = "free some space, or set MLGIT_CACHE_DIR to a folder on a larger disk"
        return user_error("disk-full", message, hint)
    message = f"{address}: the environment cannot be written below {folder}: {error.strerror}"
    hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
    return user_error("cache-not-writable", message, hint)


def _children(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir()) if folder.is_dir() else ()
