"""The runner as a zipapp: the one file that a backend copies to the machine of a run."""

from __future__ import annotations

import importlib.util
import io
import marshal
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

# What is imported stays: it is not looked through for what could be removed, and not removed at the end.
_MAIN_SOURCE = """\
import gc
import os
import sys

gc.disable()
from runner.main import main

gc.freeze()
gc.enable()
code = main()
for stream in filter(None, (sys.stdout, sys.stderr)):
    stream.flush()
os._exit(code)
"""
_ZIP_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that the format has
_UNIX_SYSTEM = 3  # written on every platform, so that the bytes are the same


_UNCHECKED_BYTECODE = 0b01  # found by the hash of its source, and not compared with it


@cache
def build_zipapp() -> bytes:
    """Return the zipapp with this package as ``runner/``: equal sources give equal bytes on every machine."""
    sources = sorted(iter_sources(files(__package__ or "runner"), "runner"))
    return make_archive([("__main__.py", _MAIN_SOURCE.encode()), *sources])


def make_archive(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip archive of files, by path in the order given: equal files give equal bytes on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # stored: versions of zlib compress differently
        for path, content in entries:
            entry = zipfile.ZipInfo(path, _ZIP_TIMESTAMP)
            entry.create_system = _UNIX_SYSTEM
            archive.writestr(entry, content)
    return buffer.getvalue()


@cache
def add_bytecode(zipapp: bytes) -> bytes:
    """Return a zipapp that also has its modules as the version of Python that runs this compiles them."""
    buffer = io.BytesIO(zipapp)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for path in archive.namelist():
            source = archive.read(path)
            code = marshal.dumps(compile(source, path, "exec", dont_inherit=True))
            head = importlib.util.MAGIC_NUMBER + _UNCHECKED_BYTECODE.to_bytes(4, "little")
            archive.writestr(f"{path}c", head + importlib.util.source_hash(source) + code)
    return buffer.getvalue()


def read_sources(folder: Traversable, names: Iterable[str]) -> dict[str, bytes]:
    """Return modules of a package by their paths from its folder."""
    return {name: folder.joinpath(name).read_bytes() for name in names}


def iter_sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the Python files below a folder of a package, each by a path that starts with the given one."""
    for child in folder.iterdir():
        if child.is_dir():
            yield from iter_sources(child, f"{path}/{child.name}")
        elif child.name.endswith(".py"):
            yield f"{path}/{child.name}", child.read_bytes()
