"""Files and folders on disk as what a store takes, in streams.

Links inside the folder are followed, one that leads out of it is an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.model.content import Content, UploadFile
from reconciler.model.object_store import ObjectStore
from reconciler.regular_files import open_regular_file
from reconciler.storage.manifest import EXECUTABLE_MODE, REGULAR_MODE, check_depth, link_outside_error


def put_path(store: ObjectStore, path: Path, name: str = "") -> Content:
    """Store a file, under the given name or its own, or a folder; raises UserError if it cannot be read or stored.

    No mode is kept of a single file.
    """
    with _translate_read_errors(path):
        real_path = path.resolve(strict=True)
        if real_path.is_dir():
            return store.put(folder_files(real_path))
        if not real_path.is_file():
            raise user_error("not-a-file", f"{path} is neither a file nor a folder", "name a file or a folder")
        with open_regular_file(real_path) as stream:
            return store.put_file(name or path.name, stream)


def folder_files(root: Path) -> Iterator[UploadFile]:
    """Yield the files below a folder; raises UserError and OSError as `walk_files` does."""
    return (UploadFile(name, mode, partial(open_regular_file, path)) for name, mode, path in walk_files(root))


@contextmanager
def _translate_read_errors(path: Path) -> Iterator[None]:
    """Raise a UserError that names the file for an error in reading the user's files."""
    try:
        yield
    except FileNotFoundError as error:
        raise user_error("path-not-found", f"{error.filename or path} does not exist", "check the path") from error
    except (OSError, RuntimeError) as error:  # a cycle of links is one or the other, depending on the Python version
        file, reason = (error.filename or path, error.strerror) if isinstance(error, OSError) else (path, error)
        raise user_error("path-unreadable", f"{file} cannot be read: {reason}", "check its permissions") from error


def walk_files(root: Path) -> Iterator[tuple[str, int, Path]]:
    """Yield (relative path, Git mode, path of the bytes) of every file below a folder, sorted by name.

    Empty folders are left out, as in Git. Raises UserError for a link that leaves the folder, that has no target or
    that is part of a cycle, for what is neither a file nor a folder, and for folders that are nested too deep.
    """
    real_root = root.resolve(strict=True)
    yield from _walk_folder(real_root, real_root, "", (real_root,))


def _walk_folder(root: Path, folder: Path, prefix: str, parents: tuple[Path, ...]) -> Iterator[tuple[str, int, Path]]:
    check_depth(prefix)
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  -- names only
        path, relative = folder / name, prefix + name
        if path.is_symlink():
            path = _resolve_link(root, path, relative)
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            yield relative, EXECUTABLE_MODE if mode & stat.S_IXUSR else REGULAR_MODE, path
        elif not stat.S_ISDIR(mode):
            raise user_error("not-a-file", f"'{relative}' is neither a file nor a folder", "remove it from the folder")
        elif path in parents:
            raise user_error("link-circle", f"'{relative}' is a link to a folder that contains it", "remove the link")
        else:
            yield from _walk_folder(root, path, f"{relative}/", (*parents, path))


def _resolve_link(root: Path, link: Path, relative: str) -> Path:
    target = os.readlink(link)  # noqa: PTH115  -- unchanged, for the message
    try:
        real_path = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a cycle of links is one or the other, depending on the Python version
        message = f"'{relative}' is a link to '{target}', which cannot be followed"
        raise user_error("link-dangling", message, "remove the link, or restore its target") from error
    if not real_path.is_relative_to(root):
        raise link_outside_error(relative, target)
    return real_path
