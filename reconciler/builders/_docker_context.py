"""Build contexts: the files of a content, as the store has them, in a folder of their own, without what is ignored."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from docker.utils.build import exclude_paths

from reconciler.diagnostics import user_error
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore

_LINK_MODE = 0o120000
_IGNORE_FILE = ".dockerignore"


def stage_context(store: ObjectStore, content: Content, folder: Path) -> None:
    """Write the files of a content into an empty folder."""
    for file in store.manifest(content):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with store.open(file.digest) as stream:
            if file.mode == _LINK_MODE:
                path.symlink_to(stream.read().decode())
                continue
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target)
        path.chmod(file.mode & 0o777)


def remove_ignored(address: str, folder: Path, dockerfile: str) -> None:
    """Remove the files that ``.dockerignore`` of a context leaves out, as Docker reads it.

    Raises UserError ``dockerignore-invalid`` for one that is no text, or has a pattern that is none.
    """
    own = folder / f"{dockerfile}{_IGNORE_FILE}"
    ignore_file = own if own.is_file() else folder / _IGNORE_FILE
    if not ignore_file.is_file():
        return
    try:
        lines = ignore_file.read_text(encoding="utf-8-sig").splitlines()
        kept = exclude_paths(str(folder), list(_patterns(lines)), dockerfile)
    except (UnicodeDecodeError, re.error) as error:
        message = f"{address}: {ignore_file.name} of the build context cannot be read: {error}"
        raise user_error("dockerignore-invalid", message, "write one pattern a line, as text in UTF-8") from error
    for path in sorted(_files(folder)):
        if path not in kept:
            (folder / path).unlink()
    for item in sorted(folder.rglob("*"), reverse=True):  # folders are ignored as well
        is_ignored = item.relative_to(folder).as_posix() not in kept
        if is_ignored and item.is_dir() and not item.is_symlink() and not any(item.iterdir()):
            item.rmdir()


def _patterns(lines: Iterable[str]) -> Iterator[str]:
    """Yield patterns as the SDK of Docker takes them, which knows neither ``[^a]`` nor folders above."""
    for line in lines:
        pattern = line.strip()
        path = posixpath.normpath(pattern.removeprefix("!").strip().lstrip("/"))
        if pattern and not pattern.startswith("#") and path.split("/")[0] != "..":
            yield pattern.replace("[^", "[!")


def context_digest(folder: Path) -> str:
    """Return one digest of the files of a folder: their paths, modes and bytes."""
    entries = []
    for path in sorted(_files(folder)):
        file = folder / path
        mode = file.lstat().st_mode
        data = str(file.readlink()).encode() if stat.S_ISLNK(mode) else file.read_bytes()
        entries.append((path, oct(mode), hashlib.sha256(data).hexdigest()))
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def read_dockerfile(address: str, folder: Path, dockerfile: str) -> str:
    """Return the text of the Dockerfile of a context; raises UserError ``dockerfile-missing``."""
    path = folder / dockerfile
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            message = f"{address}: the Dockerfile {dockerfile} is a link to a file outside of its build context"
            raise user_error("dockerfile-outside", message, "put the file itself into the context")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError, RuntimeError) as error:  # no text, no name of a file, a cycle of links
        message = f"{address}: the build context has no Dockerfile {dockerfile}, or it is no text"
        hint = "add it to the context, or name it in build: dockerfile_path:"
        raise user_error("dockerfile-missing", message, hint) from error


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()
