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
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from reconciler.builders._conda_file import read_conda_file
from reconciler.builders._interpreter import Interpreter, find_interpreter
from reconciler.builders._lock import lock_header, make_lock_header, parse_lock
from reconciler.builders._notes import find_notes
from reconciler.builders._prefix_files import (
    MARKER,
    exclusive_lock,
    format_package_count,
    index_path,
    list_prefixes,
    read_json,
    remove_listed_prefix,
    remove_prefix,
    write_json,
)
from reconciler.builders._problems import conda_content, find_certain_problems, find_problems
from reconciler.builders._programs import terminate_children
from reconciler.builders._python import replace_python, replacement_text, require_python, valid_replacements
from reconciler.builders._uv import WHEELS_ONLY, compile_lock, run_uv_checked
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, Built, LocalBuild, ReportProgress
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Prefix

_PIP = "pip"
_ABOUT_PACKAGES = frozenset(
    {"package-not-found", "package-without-wheel", "packages-conflict", "environment-build-failed"}
)
_PREFIX_FORMAT = 2  # of what is in a prefix besides its packages: pip, and bytecode
_INDEX_FORMAT = 2  # of the index files; an environment whose index has another format is built again
_INDEX_TEXTS = frozenset({"identity", "python", "platform", "lock", "requires", "declared", "instead_of", "variant"})


class VenvBuilder:
    """Makes virtual environments below `root`; several processes may build at once.

    ``pythons`` maps series of Python to those that mlgit.yml lets it use in their place.
    """

    def __init__(self, root: Path | None = None, pythons: Mapping[str, str] = EMPTY_MAPPING) -> None:
        self._pythons = pythons
        self._root = (root or platformdirs.user_cache_path("mlgit") / "environments") / "venv"

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildPlan:
        problems = find_certain_problems(spec)
        if problems:
            raise UserError(*(Diagnostic(item.code, f"{address}: {item.message}", hint=item.hint) for item in problems))
        conda_file = read_conda_file(conda_content(spec))
        python = require_python(spec, conda_file, self._pythons)
        variant = replacement_text(python.specifier, python.instead_of)
        if lock:
            parse_lock(address, lock)
        return BuildPlan(
            address=address,
            fingerprint=fingerprint,
            requires_python=python.specifier,
            declared_python=python.declared if python.instead_of else "",
            instead_of=python.instead_of,
            variant=variant,
            packages=conda_file.packages,
            lock=lock if lock_header(lock) == make_lock_header(variant) else "",
            variables=dict(conda_file.variables),
        )

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        return find_problems(spec, self._pythons)

    def notes(self, spec: Mapping[str, Any]) -> tuple[BuildNote, ...]:
        return find_notes(spec, self._pythons)

    def find(self, fingerprint: str) -> Built | None:
        index = self._read_index(fingerprint)
        if not index or replace_python(index["declared"], self._pythons) != (index["requires"], index["instead_of"]):
            return None  # or it was built as another mlgit.yml says
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
            variant=index["variant"],
        )

    def build(self, plan: BuildPlan, _store: ObjectStore, progress: ReportProgress) -> Built:
        try:
            with exclusive_lock(self._root, plan.fingerprint, progress):
                environment = self.find(plan.fingerprint)
                if environment and plan.lock in {"", environment.lock}:
                    return environment
                return self._lock_and_install(plan, progress)
        except OSError as error:
            message = f"{plan.address}: the environment cannot be written below {self._root}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise user_error("cache-not-writable", message, hint) from error
        except UserError as error:
            raise _with_replacement(error, plan) from error

    def find_base(self, _spec: Mapping[str, Any]) -> str:
        return ""

    def list_builds(self) -> tuple[LocalBuild, ...]:
        return list_prefixes(self._root)

    def remove(self, build: LocalBuild) -> bool:
        return remove_listed_prefix(self._root, build)

    def stop(self) -> None:
        terminate_children()

    def _lock_and_install(self, plan: BuildPlan, progress: ReportProgress) -> Built:
        python = find_interpreter(plan)
        lock = plan.lock or self._previous_lock(plan, python) or _compile_lock(plan, python, progress)
        identity = hashlib.sha256(json.dumps([lock, python.version, python.platform]).encode()).hexdigest()
        prefix = self._prefix_path(identity)
        with exclusive_lock(self._root, identity, progress):
            if not _is_finished(prefix, identity):
                _install_prefix(plan.address, prefix, python, lock, progress)
                write_json(prefix / MARKER, {"identity": identity, "python": python.version, "lock": lock})
        index = {
            "format": _INDEX_FORMAT,
            "identity": identity,
            "python": python.version,
            "platform": python.platform,
            "lock": lock,
            "variables": dict(plan.variables),
            "requires": plan.requires_python,
            "declared": plan.declared_python or plan.requires_python,
            "instead_of": plan.instead_of,
            "variant": plan.variant,
        }
        write_json(self._index_path(plan.fingerprint), index)
        environment = self.find(plan.fingerprint)
        if not environment:
            message = f"{plan.address}: the environment was removed while it was built"
            raise user_error("environment-build-failed", message, f"do not remove files of {self._root} during a build")
        return environment

    def _previous_lock(self, plan: BuildPlan, python: Interpreter) -> str:
        """Return the lock of a removed prefix, so that the same packages are installed; "" if there is none."""
        index = self._read_index(plan.fingerprint)
        is_same_python = (index.get("python"), index.get("platform")) == (python.version, python.platform)
        is_same_choice = index.get("variant") == plan.variant
        return str(index["lock"]) if is_same_python and is_same_choice else ""

    def _read_index(self, fingerprint: str) -> dict[str, Any]:
        """Return the index file of an environment; empty if there is none, or if it is not one of this mlgit."""
        index = read_json(self._index_path(fingerprint))
        is_complete = isinstance(index.get("variables"), dict) and index.keys() >= _INDEX_TEXTS
        return index if index.get("format") == _INDEX_FORMAT and is_complete else {}

    def _index_path(self, fingerprint: str) -> Path:
        return index_path(self._root, fingerprint)

    def _prefix_path(self, identity: str) -> Path:
        return self._root / f"{identity[:16]}-{_PREFIX_FORMAT}"


def _compile_lock(plan: BuildPlan, python: Interpreter, progress: ReportProgress) -> str:
    if not plan.packages:
        return ""
    progress(f"resolving {format_package_count(len(plan.packages))}")
    lock = compile_lock(plan.address, plan.packages, ("--python", python.executable))
    return make_lock_header(plan.variant) + lock


def _with_replacement(error: UserError, plan: BuildPlan) -> UserError:
    """Return an error of a build that says which Python was used if that is not the one that is required."""
    if not plan.variant:
        return error
    note = f"{plan.variant}, as mlgit.yml says"
    return UserError(
        *(
            replace(item, message=f"{item.message} ({note})") if item.code in _ABOUT_PACKAGES else item
            for item in error.diagnostics
        )
    )


def _install_prefix(address: str, prefix: Path, python: Interpreter, lock: str, progress: ReportProgress) -> None:
    """Install the packages of a lock into a new prefix; after any error there is no prefix."""
    packages = parse_lock(address, lock)
    remove_prefix(prefix)
    try:
        progress(f"installing {format_package_count(len(packages))} for Python {python.version}")
        run_uv_checked(address, ["venv", "--no-project", "--python", python.executable, str(prefix)])
        # Compiled here, because runs write no bytecode into an environment that they share.
        target = ("--python", str(_python_path(prefix)), "--compile-bytecode")
        if packages:
            run_uv_checked(address, ["pip", "sync", "-", *target, "--require-hashes", *WHEELS_ONLY], lock)
        if _PIP not in packages and python.pip_wheel:
            run_uv_checked(address, ["pip", "install", *target, "--offline", "--no-deps", python.pip_wheel])
    except BaseException:
        remove_prefix(prefix)
        raise


def _is_finished(prefix: Path, identity: str) -> bool:
    marker = read_json(prefix / MARKER)
    return bool(marker) and marker.get("identity") == identity and _python_path(prefix).exists()


def _bin_dir(prefix: Path) -> Path:
    return prefix / ("Scripts" if os.name == "nt" else "bin")


def _python_path(prefix: Path) -> Path:
    return _bin_dir(prefix) / ("python.exe" if os.name == "nt" else "python")


def make_venv_builder(settings: Mapping[str, Any], root: Path | None) -> VenvBuilder:
    """Return the builder that a block of mlgit.yml describes."""
    return VenvBuilder(root, valid_replacements(settings.get("pythons")))
