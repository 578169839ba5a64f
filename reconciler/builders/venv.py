"""Builds Python environments with uv: resolve, lock, install, mark as finished.

A prefix is named by its content (lock, Python, platform) and counts only with its marker, which is written last: a
build that was killed leaves nothing that anyone would use. Only wheels are installed, since building a source
distribution executes what a stranger wrote, and gives other bytes on another machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from reconciler.builders import Build, BuildRequest, Factory, _conda_file, _uv
from reconciler.diagnostics import failure

MARKER = "mlgit-environment.json"
_WHEELS_ONLY = ("--only-binary", ":all:")
_LEFT_OUT = frozenset({"image", "inference_config"})
_FORMAT = 1  # of the index files; another number is built anew

_ASK = """
import json, platform, sys, sysconfig
where = [sys.implementation.cache_tag, sysconfig.get_platform(), *platform.libc_ver()]
print(json.dumps([platform.python_version(), "-".join(filter(None, where))]))
"""


@dataclass(frozen=True, slots=True)
class _Python:
    """An interpreter on this machine."""

    program: str
    version: str
    platform: str


class VenvBuilder:
    """Makes virtual environments below `root`; several processes may build at once."""

    name = "venv"

    def __init__(self, root: Path | None = None) -> None:
        self._home = (root or platformdirs.user_cache_path("mlgit") / "environments") / self.name

    def render(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildRequest:
        if spec.get("build"):
            message = f"{address}: the venv builder cannot build a Docker context ('build')"
            raise failure("builder-cannot", message, "declare a 'conda_file' instead, or use another builder")
        declared = _conda_file.read(address, spec.get("conda_file") or {})
        notes = tuple(
            f"{field}{f' {value}' if isinstance(value, str) else ''} is recorded, not used by the venv builder"
            for field, value in spec.items()
            if field in _LEFT_OUT and value
        )
        if lock:
            _locked_packages(address, lock)
        return BuildRequest(
            address, fingerprint, declared.python, declared.packages, lock, notes, variables=declared.variables
        )

    def find(self, fingerprint: str) -> Build | None:
        index = self._recorded(fingerprint)
        if not index:
            return None
        prefix = self._prefix(index["identity"])
        if not _is_finished(prefix, index["identity"]):
            return None
        return Build(
            builder=self.name,
            fingerprint=fingerprint,
            identity=index["identity"],
            prefix=str(prefix),
            python=index["python"],
            lock=index["lock"],
            path=(str(_programs(prefix)),),
            variables=(*index["variables"].items(), ("VIRTUAL_ENV", str(prefix))),
        )

    def build(self, request: BuildRequest, progress: Callable[[str], None]) -> Build:
        try:
            with self._alone(request.fingerprint, progress):
                there = self.find(request.fingerprint)
                if there and request.lock in {"", there.lock}:
                    return there
                return self._build(request, progress)
        except OSError as error:
            message = f"{request.address}: the environment cannot be written below {self._home}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise failure("cache-not-writable", message, hint) from error

    def stop(self) -> None:
        _uv.stop()

    def _build(self, request: BuildRequest, progress: Callable[[str], None]) -> Build:
        python = _interpreter(request)
        lock = request.lock or self._lock_of_before(request, python) or _resolve(request, python, progress)
        identity = hashlib.sha256(json.dumps([lock, python.version, python.platform]).encode()).hexdigest()
        prefix = self._prefix(identity)
        with self._alone(identity, progress):
            if not _is_finished(prefix, identity):
                _make(request.address, prefix, python, lock, progress)
                _write_json(prefix / MARKER, {"identity": identity, "python": python.version, "lock": lock})
        index = {
            "format": _FORMAT,
            "identity": identity,
            "python": python.version,
            "platform": python.platform,
            "lock": lock,
            "variables": dict(request.variables),
        }
        _write_json(self._index(request.fingerprint), index)
        found = self.find(request.fingerprint)
        if not found:
            message = f"{request.address}: the environment was removed while it was built"
            raise failure("environment-build-failed", message, f"leave {self._home} alone during a build")
        return found

    def _lock_of_before(self, request: BuildRequest, python: _Python) -> str:
        """Give the lock of a prefix that is gone, so that the same packages come back."""
        index = self._recorded(request.fingerprint)
        same = (index.get("python"), index.get("platform")) == (python.version, python.platform)
        return str(index["lock"]) if same else ""

    def _recorded(self, fingerprint: str) -> dict[str, Any]:
        index = _read_json(self._index(fingerprint))
        return index if index.get("format") == _FORMAT else {}

    def _index(self, fingerprint: str) -> Path:
        return self._home / "by-fingerprint" / f"{_file_name(fingerprint)}.json"

    def _prefix(self, identity: str) -> Path:
        return self._home / identity[:16]

    @contextmanager
    def _alone(self, what: str, progress: Callable[[str], None]) -> Iterator[None]:
        """Hold the machine-wide lock of a fingerprint or of an identity; taken in this order, never the other."""
        folder = self._home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{_file_name(what)}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("waiting for another build of the same environment")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


BUILDER: Factory = VenvBuilder


def _interpreter(request: BuildRequest) -> _Python:
    if SpecifierSet(request.python).contains(platform.python_version(), prereleases=True):
        program = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  -- not the venv that mlgit is in
    else:
        outcome = _uv.run(["python", "find", "--no-project", "--system", request.python])
        if outcome.code:
            message = f"{request.address}: there is no Python {request.python} on this machine"
            hint = f"install one (uv python install), or ask for the one that is here: {platform.python_version()}"
            raise failure("python-not-found", message, hint)
        program = outcome.out.strip()
    answer = _uv.start([program, "-I", "-c", _ASK])
    if answer.code:
        raise failure("python-not-found", f"{request.address}: {program} does not run", "repair that installation")
    return _Python(program, *json.loads(answer.out))


def _resolve(request: BuildRequest, python: _Python, progress: Callable[[str], None]) -> str:
    if not request.packages:
        return ""
    progress(f"resolving {_counted(len(request.packages))}")
    quiet = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    command = ["pip", "compile", "-", "--python", python.program, "--generate-hashes", *quiet, *_WHEELS_ONLY]
    outcome = _uv.run(command, "\n".join(request.packages))
    if outcome.code:
        raise _uv.explain(request.address, outcome.err)
    return outcome.out


def _make(address: str, prefix: Path, python: _Python, lock: str, progress: Callable[[str], None]) -> None:
    """Install what the lock says into a fresh prefix; whatever goes wrong, no prefix is left."""
    packages = _locked_packages(address, lock)
    _remove(prefix)
    try:
        progress(f"installing {_counted(len(packages))} for Python {python.version}")
        _checked(address, ["venv", "--no-project", "--python", python.program, str(prefix)])
        if packages:
            target = ("--python", str(_program(prefix)))
            _checked(address, ["pip", "sync", "-", *target, "--require-hashes", *_WHEELS_ONLY], lock)
    except BaseException:
        _remove(prefix)
        raise


def _checked(address: str, arguments: list[str], stdin: str = "") -> None:
    outcome = _uv.run(arguments, stdin)
    if outcome.code:
        raise _uv.explain(address, outcome.err)


def _locked_packages(address: str, lock: str) -> tuple[str, ...]:
    """Name the packages of a lock; one that says more than names, versions and hashes is refused: it may run code."""
    names = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        package, *hashes = line.split(" --hash=")
        try:
            requirement = Requirement(package.strip())
        except InvalidRequirement:
            requirement = None
        known = hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each.strip()) for each in hashes)
        if not requirement or requirement.url or not known:
            message = f"{address}: the recorded lock has a line that names no package by version and hash: {line[:80]}"
            raise failure("lock-invalid", message, "build it without the lock to make a new one")
        names.append(requirement.name)
    return tuple(names)


def _is_finished(prefix: Path, identity: str) -> bool:
    marker = _read_json(prefix / MARKER)
    return bool(marker) and marker.get("identity") == identity and _program(prefix).exists()


def _programs(prefix: Path) -> Path:
    return prefix / ("Scripts" if os.name == "nt" else "bin")


def _program(prefix: Path) -> Path:
    return _programs(prefix) / ("python.exe" if os.name == "nt" else "python")


def _remove(prefix: Path) -> None:
    """Remove a prefix, its marker first: half of one must never look whole."""
    (prefix / MARKER).unlink(missing_ok=True)
    if prefix.exists():
        shutil.rmtree(prefix)


def _counted(packages: int) -> str:
    return f"{packages} package" + ("" if packages == 1 else "s")


def _file_name(key: str) -> str:
    return key if re.fullmatch(r"[0-9A-Za-z_-]{1,128}", key) else hashlib.sha256(key.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    """Read an object; one that is missing or broken is empty, and so made again."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        json.dump(data, file, indent=1)
    os.replace(file.name, path)  # noqa: PTH105  -- Path.replace reads no better with a name
