"""A layer of a run over each virtual environment on its PATH: what the job installs or writes stays in the layer.

An environment is shared by all runs of its content, so none may change it. A layer is a virtual environment of its own
with the same interpreter: its site-packages come first, and those of the shared environment follow on ``sys.path``. Its
scripts start the interpreter of the layer; all other files are links. It is removed when the run has ended.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .files import remove_folder
from .result import staging_error
from .spec import RunSpec

_LAYERS_FOLDER = "environment"
_CONFIG_FILE, _SCRIPTS, _LIBRARIES = "pyvenv.cfg", "bin", ("lib", "lib64")
_PATH_FILE = "_mlgit_shared_environment.pth"
_HEAD_LINES = 3  # a script that starts /bin/sh names its interpreter in the second of three lines
_HEAD_SIZE = 4096
_LONGEST_SHEBANG = 127  # on all systems


@contextmanager
def layered_environment(spec: RunSpec) -> Iterator[RunSpec]:
    """Yield the spec with a layer in place of each virtual environment on its PATH."""
    folder = spec.folder / _LAYERS_FOLDER
    try:
        prefixes = dict.fromkeys(Path(entry).parent for entry in spec.path_entries)
        layers = {
            prefix: folder / str(number)
            for number, prefix in enumerate(prefixes)
            if (prefix / _CONFIG_FILE).is_file() and (prefix / _SCRIPTS).is_dir()
        }
        for prefix, layer in layers.items():
            _make_layer(prefix, layer)
        yield replace(
            spec,
            path_entries=tuple(_relocate(entry, layers) for entry in spec.path_entries),
            environment={name: _relocate(value, layers) for name, value in spec.environment.items()},
        )
    finally:
        remove_folder(folder)


def _relocate(value: str, layers: dict[Path, Path]) -> str:
    """Return a path with the layer in place of its environment; any other value as it is."""
    for prefix, layer in layers.items():
        if value == str(prefix) or value.startswith(f"{prefix}/"):
            return f"{layer}{value[len(str(prefix)) :]}"
    return value


def _make_layer(prefix: Path, layer: Path) -> None:
    try:
        layer.mkdir(parents=True)
        shutil.copyfile(prefix / _CONFIG_FILE, layer / _CONFIG_FILE)
        (layer / _SCRIPTS).mkdir()
        for entry in os.scandir(prefix / _SCRIPTS):
            _add_script(Path(entry.path), layer / _SCRIPTS / entry.name, prefix)
        for entry in os.scandir(prefix):
            if entry.is_dir() and entry.name not in (_SCRIPTS, *_LIBRARIES):
                _mirror_folder(Path(entry.path), layer / entry.name)
        for name in _LIBRARIES:
            _add_libraries(prefix / name, layer / name)
    except OSError as error:
        raise staging_error(f"the environment {prefix} cannot be used: {error.strerror or error}") from error


def _add_script(source: Path, target: Path, prefix: Path) -> None:
    """Add a program of the environment; a script that starts its interpreter starts that of the layer instead."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_file() and os.access(source, os.X_OK):
        old, new = os.fsencode(prefix / _SCRIPTS) + b"/", os.fsencode(target.parent) + b"/"
        with source.open("rb") as file:
            is_script = file.read(2) == b"#!" and old in file.read(_HEAD_SIZE)
        if not is_script:
            target.symlink_to(source)
            return
        lines = source.read_bytes().split(b"\n", _HEAD_LINES)
        head = [line.replace(old, new) for line in lines[:_HEAD_LINES]]
        target.write_bytes(b"\n".join([_shebang(head[0]), *head[1:], *lines[_HEAD_LINES:]]))
        target.chmod(0o700)


def _shebang(line: bytes) -> bytes:
    """Return the first line of a script, as one that starts /bin/sh if the system would not accept it."""
    interpreter = line.removeprefix(b"#!").strip()
    if len(line) <= _LONGEST_SHEBANG and b" " not in interpreter:
        return line
    if interpreter.startswith((b"/bin/", b"/usr/bin/")):
        return line
    return b"#!/bin/sh\n'''exec' \"" + interpreter + b'" "$0" "$@"\n\' \'\'\''


def _mirror_folder(source: Path, target: Path) -> None:
    """Make a folder with the same folders below it, and links to the files."""
    for parent, folders, names in os.walk(source):
        folder = target / Path(parent).relative_to(source)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*names, *(name for name in folders if (Path(parent) / name).is_symlink())):
            (folder / name).symlink_to(Path(parent) / name)


def _add_libraries(source: Path, target: Path) -> None:
    """Add a folder of libraries whose site-packages refer to those of the environment."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    for packages in source.glob("python*/site-packages"):
        folder = target / packages.relative_to(source)
        folder.mkdir(parents=True)
        lines = (f"import site; site.addsitedir({str(packages)!r})", "import sys; sys.dont_write_bytecode = True")
        (folder / _PATH_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
