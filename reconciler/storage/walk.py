"""A folder on disk, read as a list of files: links are followed where they stay inside, and refused where not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.storage.manifest import EXECUTABLE_MODE, REGULAR_MODE, link_outside_error


def walk_files(root: Path) -> Iterator[tuple[str, int, Path]]:
    """Give (relative path, Git mode, where its bytes are) of every file below a folder, in order of names.

    Empty folders are no files, as in Git. Raises UserError for a link that leaves the folder or leads nowhere or round
    in a circle, and for what is neither file nor folder.
    """
    real = root.resolve(strict=True)
    yield from _walk_folder(real, real, "", (real,))


def _walk_folder(root: Path, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, int, Path]]:
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  -- names as they are
        path, relative = folder / name, prefix + name
        if path.is_symlink():
            path = _resolve_link(root, path, relative)
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            yield relative, EXECUTABLE_MODE if mode & stat.S_IXUSR else REGULAR_MODE, path
        elif not stat.S_ISDIR(mode):
            raise user_error("not-a-file", f"'{relative}' is neither a file nor a folder", "remove it from the folder")
        elif path in above:
            raise user_error("link-circle", f"'{relative}' is a link to a folder that it is in", "remove the link")
        else:
            yield from _walk_folder(root, path, f"{relative}/", (*above, path))


def _resolve_link(root: Path, link: Path, relative: str) -> Path:
    target = os.readlink(link)  # noqa: PTH115  -- as it is written
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a circle of links is either, depending on the Python
        message = f"'{relative}' is a link to '{target}', which cannot be followed"
        raise user_error("link-dangling", message, "remove the link, or bring back what it points to") from error
    if not real.is_relative_to(root):
        raise link_outside_error(relative, target)
    return real
