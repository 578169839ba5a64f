"""Virtual environments on a node: made of the files of one on another machine, for a Python of this one.

A folder of an environment has a name that follows from its files, is made aside and renamed, and is never changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.diagnostics import user_error
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Prefix
from reconciler.storage.manifest import is_safe_relative_path

CONFIG_FILE, SCRIPTS = "pyvenv.cfg", "bin"
_QUERY = "import sys; print(getattr(sys, '_base_executable', None) or sys.executable)"
_QUERY_SECONDS = 30
_MAX_SCRIPT_SIZE = 1 << 20  # what is larger is a program


class EnvironmentFile(NamedTuple):
    """A file of an environment: its mode, its last change in seconds, and its digest; of a link, its target.

    The time counts: compiled modules name that of their source.
    """

    path: str
    mode: int
    modified: int
    digest: str
    link: str = ""


class EnvironmentFiles(NamedTuple):
    """A virtual environment by its files: a name that follows from them, its folder, and what it was made for."""

    name: str
    folder: str
    series: str
    machine: str
    files: tuple[EnvironmentFile, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; `from_json` reads it back."""
        return {**self._asdict(), "files": [list(file) for file in self.files]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EnvironmentFiles:
        """Return the environment of a document."""
        return cls(**{**document, "files": tuple(EnvironmentFile(*file) for file in document["files"])})

    @property
    def digests(self) -> Iterable[str]:
        """The objects that it is made of."""
        return (file.digest for file in self.files if file.digest)


def machine_name() -> str:
    """Return what compiled modules are made for, as in ``linux-x86_64``."""
    return f"{sys.platform}-{os.uname().machine}"


def find_environment(folder: Path, name: str) -> Path | None:
    """Return the folder of an environment, None if there is none."""
    path = folder / name
    return path if path.is_dir() else None


def make_environment(folder: Path, files: EnvironmentFiles, store: ObjectStore) -> Path:
    """Return the folder of an environment; its objects are in the store.

    Raises UserError ``environment-unusable`` if this machine has no Python for it.
    """
    path = folder / files.name
    if path.is_dir():
        return path
    python = Path(_find_python(files))
    temporary = folder / f"{uuid.uuid4().hex}.part"
    temporary.mkdir(mode=0o700, parents=True)
    try:
        for file in files.files:
            _write_file(temporary, file, files.folder, store, python)
        _relocate(temporary, files.folder, path, python.parent)
        try:
            temporary.rename(path)
        except OSError:  # another process has made it meanwhile
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def moved(prefix: Prefix, path: Path, host: str) -> Prefix:
    """Return an environment as it is at another place, its variables included."""
    old = prefix.path
    variables = {
        name: f"{path}{value[len(old) :]}" if value == old or value.startswith(f"{old}/") else value
        for name, value in prefix.variables.items()
    }
    return replace(prefix, path=str(path), host=host, variables=variables)


def _find_python(files: EnvironmentFiles) -> str:
    """Return the interpreter for an environment: that of this process if it is of its series, else one on the PATH."""
    if files.machine != machine_name():
        message = f"the environment was built for {files.machine}, and {os.uname().nodename} is {machine_name()}"
        raise user_error("environment-unusable", message, "apply from a machine of the same kind")
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = sys.executable if files.series == own else shutil.which(f"python{files.series}")
    if python is None:
        message = f"the environment is for Python {files.series}, and {os.uname().nodename} has none on its PATH"
        raise user_error("environment-unusable", message, f"install Python {files.series} there")
    command = [python, "-I", "-S", "-c", _QUERY]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_QUERY_SECONDS)
    if done.returncode != 0:
        message = f"{python} of {os.uname().nodename} cannot be started: {done.stderr.strip()[-300:]}"
        raise user_error("environment-unusable", message, "reinstall it")
    return os.path.realpath(done.stdout.strip())


def _write_file(folder: Path, file: EnvironmentFile, origin: str, store: ObjectStore, python: Path) -> None:
    if not is_safe_relative_path(file.path):
        raise user_error("environment-unusable", f"{origin} has a file outside of it: {file.path}", "build it again")
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.link:
        path.symlink_to(_link_target(file, origin, python))
        return
    with store.open(file.digest) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    path.chmod(file.mode & 0o755 | 0o600)
    os.utime(path, (file.modified, file.modified))


def _link_target(file: EnvironmentFile, origin: str, python: Path) -> str:
    """Return where a link leads: as it was within the environment, and to the Python of this machine outside of it."""
    if not file.link.startswith("/"):
        return file.link
    name = Path(file.path).name
    if file.path == f"{SCRIPTS}/{name}" and name.startswith("python"):
        return str(python)
    message = f"{origin}/{file.path} is a link to {file.link}, outside of the environment"
    raise user_error("environment-unusable", message, "build the environment with the builder venv")


def _relocate(folder: Path, old: str, new: Path, home: Path) -> None:
    """Write the new place into the scripts of an environment, and its Python into its configuration."""
    for entry in os.scandir(folder / SCRIPTS):
        if entry.is_file(follow_symlinks=False) and entry.stat().st_size <= _MAX_SCRIPT_SIZE:
            with Path(entry.path).open("r+b") as file:
                content = file.read()
                if b"\0" not in content:
                    file.seek(0)
                    file.write(content.replace(os.fsencode(old), os.fsencode(new)))
                    file.truncate()
    lines = (folder / CONFIG_FILE).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip() not in {"home", "executable", "command"}]
    (folder / CONFIG_FILE).write_text("\n".join([f"home = {home}", *kept]) + "\n", encoding="utf-8")
