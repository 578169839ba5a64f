"""Files that Git ignores in one clone, by its own list ``info/exclude``; nothing is committed for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from reconciler.format.yaml import MAX_BYTES
from reconciler.git.repository import Repository
from reconciler.source.rooted_files import MISSING, RootedFiles
from reconciler.source.roots import Root

_PATH = "info/exclude"
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")


def ignore_in_clone(repository: Repository, file: Path) -> None:
    """Let Git ignore an untracked file of the work tree in this clone; a file outside of it needs nothing."""
    absolute = Path(os.path.realpath(file.parent)) / file.name
    if repository.top not in absolute.parents or any(not character.isprintable() for character in str(absolute)):
        return
    line = "/" + _SPECIAL.sub(r"\\\1", absolute.relative_to(repository.top).as_posix())
    folder = os.path.realpath(repository.common)
    files = RootedFiles(Path(folder), (Root(folder, "Git's folder"),))
    raw = b"" if files.kind_of(_PATH) == MISSING else files.read_file(_PATH, MAX_BYTES)
    if len(raw) > MAX_BYTES or os.fsencode(line) in raw.splitlines():
        return
    separator = b"" if not raw or raw.endswith(b"\n") else b"\n"
    files.replace_file(_PATH, b"%s%s%s\n" % (raw, separator, os.fsencode(line)), make_folders=True)
