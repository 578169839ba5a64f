"""This package as one file: what a backend copies to wherever the run is to happen."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_MAIN_SOURCE = "import sys\n\nfrom runner.main import main\n\nsys.exit(main())\n"
_ZIP_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that the format can say


def build_zipapp() -> bytes:
    """Make the zipapp that holds this package as ``runner/``: the same files give the same bytes everywhere."""
    sources = sorted(_iter_sources(files(__package__ or "runner"), "runner"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:  # stored: no zlib to differ by
        for path, text in [("__main__.py", _MAIN_SOURCE.encode()), *sources]:
            entry = zipfile.ZipInfo(path, _ZIP_TIMESTAMP)
            entry.create_system = 3  # Unix, on Windows too
            file.writestr(entry, text)
    return buffer.getvalue()


def _iter_sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _iter_sources(each, f"{path}/{each.name}")
        elif each.name.endswith(".py"):
            yield f"{path}/{each.name}", each.read_bytes()
