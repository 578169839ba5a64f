"""A folder on disk, read as a list of files: links are followed where they stay inside, and refused where not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from reconciler.content.listing import EXECUTABLE, PLAIN, link_outside
from reconciler.diagnostics import failure


def files(root: Path) -> Iterator[tuple[str, int, Path]]:
    """Give (relative path, Git mode, where its bytes are) of every file below a folder, in order of names.

    Empty folders are no files, as in Git. Raises UserError for a link that leaves the folder or leads nowhere or round
    in a circle, and for what is neither file nor folder.
    """
    real = root.resolve(strict=True)
    yield from _files(real, real, "", (real,))


def _files(root: Path, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, int, Path]]:
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  -- names as they are
        path, relative = folder / name, prefix + name
        if path.is_symlink():
            path = _followed(root, path, relative)
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            yield relative, EXECUTABLE if mode & stat.S_IXUSR else PLAIN, path
        elif not stat.S_ISDIR(mode):
            raise failure("not-a-file", f"'{relative}' is neither a file nor a folder", "remove it from the folder")
        elif path in above:
            raise failure("link-circle", f"'{relative}' is a link to a folder that it is in", "remove the link")
        else:
            yield from _files(root, path, f"{relative}/", (*above, path))


def _followed(root: Path, link: Path, relative: str) -> Path:
    target = os.readlink(link)  # noqa: PTH115  -- as it is written
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a circle of links is either, depending on the Python
        message = f"'{relative}' is a link to '{target}', which cannot be followed"
        raise failure("link-dangling", message, "remove the link, or bring back what it points to") from error
    if not real.is_relative_to(root):
        raise link_outside(relative, target)
    return real
