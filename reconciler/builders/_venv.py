"""What the builder `venv` does: virtual environments made by uv: resolve, lock, install, mark as finished.

A prefix is named by its content (lock, Python, platform) and is used only if it has its marker, which is written
last: a build that was killed leaves no usable prefix. Only wheels are installed, because building a source
distribution executes its code, and gives other bytes on another machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout
from packaging.requirements import InvalidRequirement, Requirement

from reconciler.builders._conda_file import parse_conda_file
from reconciler.builders._interpreter import Interpreter, find_interpreter
from reconciler.builders._problems import find_problems
from reconciler.builders._uv import error_from_stderr, run_uv, terminate_children
from reconciler.diagnostics import user_error
from reconciler.model.builder import BuildPlan, BuildProblem, Built, ReportProgress
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Prefix

MARKER = "mlgit-environment.json"
_PIP = "pip"
_WHEELS_ONLY = ("--only-binary", ":all:")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_PREFIX_FORMAT = 2  # of what is in a prefix besides its packages: pip, and bytecode
_INDEX_FORMAT = 1  # of the index files; an environment whose index has another format is built again


class VenvBuilder:
    """Makes virtual environments below `root`; several processes may build at once."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = (root or platformdirs.user_cache_path("mlgit") / "environments") / "venv"

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildPlan:
        if spec.get("build"):
            message = f"{address}: the venv builder cannot build a Docker context ('build')"
            raise user_error("builder-cannot", message, "declare a 'conda_file' instead, or use another builder")
        content = spec.get("conda_file") or {}
        # The name of the file is left where the file is empty: there is nothing to install.
        conda_file = parse_conda_file(address, {} if isinstance(content, str) else content)
        if lock:
            _parse_lock(address, lock)
        return BuildPlan(
            address=address,
            fingerprint=fingerprint,
            requires_python=conda_file.requires_python,
            packages=conda_file.packages,
            lock=lock,
            variables=dict(conda_file.variables),
        )

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        return find_problems(spec)

    def find(self, fingerprint: str) -> Built | None:
        index = self._read_index(fingerprint)
        if not index:
            return None
        prefix = self._prefix_path(index["identity"])
        if not _is_finished(prefix, index["identity"]):
            return None
        variables = {**index["variables"], "VIRTUAL_ENV": str(prefix)}
        return Built(
            environment=Prefix(str(prefix), platform.node(), variables),
            identity=index["identity"],
            platform=index["platform"],
            lock=index["lock"],
            python_version=index["python"],
        )

    def build(self, plan: BuildPlan, _store: ObjectStore, progress: ReportProgress) -> Built:
        try:
            with self._exclusive_lock(plan.fingerprint, progress):
                environment = self.find(plan.fingerprint)
                if environment and plan.lock in {"", environment.lock}:
                    return environment
                return self._lock_and_install(plan, progress)
        except OSError as error:
            message = f"{plan.address}: the environment cannot be written below {self._root}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise user_error("cache-not-writable", message, hint) from error

    def stop(self) -> None:
        terminate_children()

    def _lock_and_install(self, plan: BuildPlan, progress: ReportProgress) -> Built:
        python = find_interpreter(plan)
        lock = plan.lock or self._previous_lock(plan, python) or _compile_lock(plan, python, progress)
        identity = hashlib.sha256(json.dumps([lock, python.version, python.platform]).encode()).hexdigest()
        prefix = self._prefix_path(identity)
        with self._exclusive_lock(identity, progress):
            if not _is_finished(prefix, identity):
                _install_prefix(plan.address, prefix, python, lock, progress)
                _write_json(prefix / MARKER, {"identity": identity, "python": python.version, "lock": lock})
        index = {
            "format": _INDEX_FORMAT,
            "identity": identity,
            "python": python.version,
            "platform": python.platform,
            "lock": lock,
            "variables": dict(plan.variables),
        }
        _write_json(self._index_path(plan.fingerprint), index)
        environment = self.find(plan.fingerprint)
        if not environment:
            message = f"{plan.address}: the environment was removed while it was built"
            raise user_error("environment-build-failed", message, f"do not remove files of {self._root} during a build")
        return environment

    def _previous_lock(self, plan: BuildPlan, python: Interpreter) -> str:
        """Return the lock of a removed prefix, so that the same packages are installed; "" if there is none."""
        index = self._read_index(plan.fingerprint)
        is_same_python = (index.get("python"), index.get("platform")) == (python.version, python.platform)
        return str(index["lock"]) if is_same_python else ""

    def _read_index(self, fingerprint: str) -> dict[str, Any]:
        index = _read_json(self._index_path(fingerprint))
        return index if index.get("format") == _INDEX_FORMAT else {}

    def _index_path(self, fingerprint: str) -> Path:
        return self._root / "by-fingerprint" / f"{_safe_file_name(fingerprint)}.json"

    def _prefix_path(self, identity: str) -> Path:
        return self._root / f"{identity[:16]}-{_PREFIX_FORMAT}"

    @contextmanager
    def _exclusive_lock(self, key: str, progress: ReportProgress) -> Iterator[None]:
        """Hold the lock of a fingerprint or an identity on this machine; always acquired in this order."""
        folder = self._root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{_safe_file_name(key)}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("waiting for another build of the same environment")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _compile_lock(plan: BuildPlan, python: Interpreter, progress: ReportProgress) -> str:
    if not plan.packages:
        return ""
    progress(f"resolving {_format_package_count(len(plan.packages))}")
    bare_output = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    command = ["pip", "compile", "-", "--python", python.executable, "--generate-hashes", *bare_output, *_WHEELS_ONLY]
    return _run_uv_checked(plan.address, command, "\n".join(plan.packages))


def _install_prefix(address: str, prefix: Path, python: Interpreter, lock: str, progress: ReportProgress) -> None:
    """Install the packages of a lock into a new prefix; after any error there is no prefix."""
    packages = _parse_lock(address, lock)
    _remove_prefix(prefix)
    try:
        progress(f"installing {_format_package_count(len(packages))} for Python {python.version}")
        _run_uv_checked(address, ["venv", "--no-project", "--python", python.executable, str(prefix)])
        # Compiled here, because runs write no bytecode into an environment that they share.
        target = ("--python", str(_python_path(prefix)), "--compile-bytecode")
        if packages:
            _run_uv_checked(address, ["pip", "sync", "-", *target, "--require-hashes", *_WHEELS_ONLY], lock)
        if _PIP not in packages and python.pip_wheel:
            _run_uv_checked(address, ["pip", "install", *target, "--offline", "--no-deps", python.pip_wheel])
    except BaseException:
        _remove_prefix(prefix)
        raise


def _run_uv_checked(address: str, arguments: list[str], stdin: str = "") -> str:
    """Run uv and return its standard output; raises UserError if it fails."""
    outcome = run_uv(arguments, stdin)
    if outcome.exit_code:
        raise error_from_stderr(address, outcome.stderr)
    return outcome.stdout


def _parse_lock(address: str, lock: str) -> tuple[str, ...]:
    """Return the names of the packages of a lock; raises UserError if it has more than names, versions and hashes."""
    names = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        package, *hashes = line.split(" --hash=")
        try:
            requirement = Requirement(package.strip())
        except InvalidRequirement:
            requirement = None
        has_hashes = hashes and all(_SHA256.fullmatch(hash_value.strip()) for hash_value in hashes)
        if not requirement or requirement.url or not has_hashes:  # such a line could run code
            message = (
                f"{address}: the recorded lock has a line that is not a package with version and hash: {line[:80]}"
            )
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
    """Remove a prefix, its marker first, so that an incomplete one is never used."""
    (prefix / MARKER).unlink(missing_ok=True)
    if prefix.exists():
        shutil.rmtree(prefix)


def _format_package_count(count: int) -> str:
    return f"{count} package" + ("" if count == 1 else "s")


def _safe_file_name(key: str) -> str:
    return key if re.fullmatch(r"[0-9A-Za-z_-]{1,128}", key) else hashlib.sha256(key.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; empty if it is missing or invalid, so that it is written again."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        json.dump(document, file, indent=1)
    os.replace(file.name, path)  # noqa: PTH105  -- file.name is a str


def make_venv_builder(_settings: Mapping[str, Any], root: Path | None) -> VenvBuilder:
    """Return the builder; it has no settings of its own."""
    return VenvBuilder(root)
