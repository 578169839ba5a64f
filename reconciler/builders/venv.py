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

from reconciler.builders import BuilderFactory, BuildRequest, BuiltEnvironment, _conda_file, _uv
from reconciler.diagnostics import user_error

MARKER = "mlgit-environment.json"
_WHEELS_ONLY = ("--only-binary", ":all:")
_IGNORED_FIELDS = frozenset({"image", "inference_config"})
_INDEX_FORMAT = 1  # of the index files; another number is built anew

_PROBE_SCRIPT = """
import json, platform, sys, sysconfig
where = [sys.implementation.cache_tag, sysconfig.get_platform(), *platform.libc_ver()]
print(json.dumps([platform.python_version(), "-".join(filter(None, where))]))
"""


@dataclass(frozen=True, slots=True)
class _Interpreter:
    """An interpreter on this machine."""

    executable: str
    version: str
    platform: str


class VenvBuilder:
    """Makes virtual environments below `root`; several processes may build at once."""

    name = "venv"

    def __init__(self, root: Path | None = None) -> None:
        self._home = (root or platformdirs.user_cache_path("mlgit") / "environments") / self.name

    def plan_build(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildRequest:
        if spec.get("build"):
            message = f"{address}: the venv builder cannot build a Docker context ('build')"
            raise user_error("builder-cannot", message, "declare a 'conda_file' instead, or use another builder")
        declared = _conda_file.parse_conda_file(address, spec.get("conda_file") or {})
        notes = tuple(
            f"{field}{f' {value}' if isinstance(value, str) else ''} is recorded, not used by the venv builder"
            for field, value in spec.items()
            if field in _IGNORED_FIELDS and value
        )
        if lock:
            _parse_lock(address, lock)
        return BuildRequest(
            address, fingerprint, declared.requires_python, declared.packages, lock, notes, variables=declared.variables
        )

    def find(self, fingerprint: str) -> BuiltEnvironment | None:
        index = self._read_index(fingerprint)
        if not index:
            return None
        prefix = self._prefix_path(index["identity"])
        if not _is_finished(prefix, index["identity"]):
            return None
        return BuiltEnvironment(
            builder=self.name,
            fingerprint=fingerprint,
            identity=index["identity"],
            prefix=str(prefix),
            python_version=index["python"],
            lock=index["lock"],
            path_entries=(str(_bin_dir(prefix)),),
            variables=(*index["variables"].items(), ("VIRTUAL_ENV", str(prefix))),
        )

    def build(self, request: BuildRequest, progress: Callable[[str], None]) -> BuiltEnvironment:
        try:
            with self._exclusive_lock(request.fingerprint, progress):
                there = self.find(request.fingerprint)
                if there and request.lock in {"", there.lock}:
                    return there
                return self._lock_and_install(request, progress)
        except OSError as error:
            message = f"{request.address}: the environment cannot be written below {self._home}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise user_error("cache-not-writable", message, hint) from error

    def stop(self) -> None:
        _uv.terminate_children()

    def _lock_and_install(self, request: BuildRequest, progress: Callable[[str], None]) -> BuiltEnvironment:
        python = _find_interpreter(request)
        lock = request.lock or self._previous_lock(request, python) or _compile_lock(request, python, progress)
        identity = hashlib.sha256(json.dumps([lock, python.version, python.platform]).encode()).hexdigest()
        prefix = self._prefix_path(identity)
        with self._exclusive_lock(identity, progress):
            if not _is_finished(prefix, identity):
                _install_prefix(request.address, prefix, python, lock, progress)
                _write_json(prefix / MARKER, {"identity": identity, "python": python.version, "lock": lock})
        index = {
            "format": _INDEX_FORMAT,
            "identity": identity,
            "python": python.version,
            "platform": python.platform,
            "lock": lock,
            "variables": dict(request.variables),
        }
        _write_json(self._index_path(request.fingerprint), index)
        found = self.find(request.fingerprint)
        if not found:
            message = f"{request.address}: the environment was removed while it was built"
            raise user_error("environment-build-failed", message, f"leave {self._home} alone during a build")
        return found

    def _previous_lock(self, request: BuildRequest, python: _Interpreter) -> str:
        """Give the lock of a prefix that is gone, so that the same packages come back."""
        index = self._read_index(request.fingerprint)
        same = (index.get("python"), index.get("platform")) == (python.version, python.platform)
        return str(index["lock"]) if same else ""

    def _read_index(self, fingerprint: str) -> dict[str, Any]:
        index = _read_json(self._index_path(fingerprint))
        return index if index.get("format") == _INDEX_FORMAT else {}

    def _index_path(self, fingerprint: str) -> Path:
        return self._home / "by-fingerprint" / f"{_safe_file_name(fingerprint)}.json"

    def _prefix_path(self, identity: str) -> Path:
        return self._home / identity[:16]

    @contextmanager
    def _exclusive_lock(self, what: str, progress: Callable[[str], None]) -> Iterator[None]:
        """Hold the machine-wide lock of a fingerprint or of an identity; taken in this order, never the other."""
        folder = self._home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{_safe_file_name(what)}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("waiting for another build of the same environment")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


BUILDER: BuilderFactory = VenvBuilder


def _find_interpreter(request: BuildRequest) -> _Interpreter:
    if SpecifierSet(request.requires_python).contains(platform.python_version(), prereleases=True):
        program = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  -- not the venv that mlgit is in
    else:
        outcome = _uv.run_uv(["python", "find", "--no-project", "--system", request.requires_python])
        if outcome.exit_code:
            message = f"{request.address}: there is no Python {request.requires_python} on this machine"
            hint = f"install one (uv python install), or ask for the one that is here: {platform.python_version()}"
            raise user_error("python-not-found", message, hint)
        program = outcome.stdout.strip()
    answer = _uv.run_program([program, "-I", "-c", _PROBE_SCRIPT])
    if answer.exit_code:
        raise user_error("python-not-found", f"{request.address}: {program} does not run", "repair that installation")
    return _Interpreter(program, *json.loads(answer.stdout))


def _compile_lock(request: BuildRequest, python: _Interpreter, progress: Callable[[str], None]) -> str:
    if not request.packages:
        return ""
    progress(f"resolving {_format_package_count(len(request.packages))}")
    quiet = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    command = ["pip", "compile", "-", "--python", python.executable, "--generate-hashes", *quiet, *_WHEELS_ONLY]
    outcome = _uv.run_uv(command, "\n".join(request.packages))
    if outcome.exit_code:
        raise _uv.error_from_stderr(request.address, outcome.stderr)
    return outcome.stdout


def _install_prefix(
    address: str, prefix: Path, python: _Interpreter, lock: str, progress: Callable[[str], None]
) -> None:
    """Install what the lock says into a fresh prefix; whatever goes wrong, no prefix is left."""
    packages = _parse_lock(address, lock)
    _remove_prefix(prefix)
    try:
        progress(f"installing {_format_package_count(len(packages))} for Python {python.version}")
        _run_uv(address, ["venv", "--no-project", "--python", python.executable, str(prefix)])
        if packages:
            target = ("--python", str(_python_path(prefix)))
            _run_uv(address, ["pip", "sync", "-", *target, "--require-hashes", *_WHEELS_ONLY], lock)
    except BaseException:
        _remove_prefix(prefix)
        raise


def _run_uv(address: str, arguments: list[str], stdin: str = "") -> None:
    outcome = _uv.run_uv(arguments, stdin)
    if outcome.exit_code:
        raise _uv.error_from_stderr(address, outcome.stderr)


def _parse_lock(address: str, lock: str) -> tuple[str, ...]:
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
            raise user_error("lock-invalid", message, "build it without the lock to make a new one")
        names.append(requirement.name)
    return tuple(names)


def _is_finished(prefix: Path, identity: str) -> bool:
    marker = _read_json(prefix / MARKER)
    return bool(marker) and marker.get("identity") == identity and _python_path(prefix).exists()


def _bin_dir(prefix: Path) -> Path:
    return prefix / ("Scripts" if os.name == "nt" else "bin")


def _python_path(prefix: Path) -> Path:
    return _bin_dir(prefix) / ("python.exe" if os.name == "nt" else "python")


def _remove_prefix(prefix: Path) -> None:
    """Remove a prefix, its marker first: half of one must never look whole."""
    (prefix / MARKER).unlink(missing_ok=True)
    if prefix.exists():
        shutil.rmtree(prefix)


def _format_package_count(packages: int) -> str:
    return f"{packages} package" + ("" if packages == 1 else "s")


def _safe_file_name(key: str) -> str:
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
