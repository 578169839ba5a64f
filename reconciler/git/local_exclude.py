"""Files that Git ignores in one clone, by its own list ``info/exclude``; nothing is committed for it."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.git.repository import Repository

_SPECIAL = re.compile(r"([\\*?\[\]!# ])")


def ignore_in_clone(repository: Repository, file: Path) -> None:
    """Let Git ignore an untracked file of the work tree in this clone; a file outside of it needs nothing."""
    absolute = file.parent.resolve() / file.name
    if repository.top not in absolute.parents or any(not character.isprintable() for character in str(absolute)):
        return
    line = "/" + _SPECIAL.sub(r"\\\1", absolute.relative_to(repository.top).as_posix())
    path = repository.common / "info" / "exclude"
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""
    if line in text.splitlines():
        return
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8", errors="surrogateescape") as lines:
        lines.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")
