"""What the builder `venv` does: virtual environments made by uv: resolve, lock, install, mark as finished.

Only wheels are installed, because building a source distribution executes its code, and gives other bytes on another
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.builders._accepted_locks import require_pip_lock
from reconciler.builders._conda_file import read_conda_file
from reconciler.builders._finished import python_path
from reconciler.builders._interpreter import Interpreter, find_interpreter
from reconciler.builders._lock import lock_header, make_lock_header, parse_lock
from reconciler.builders._notes import find_notes
from reconciler.builders._prefix_builder import PrefixBuilder
from reconciler.builders._prefix_files import format_package_count
from reconciler.builders._prefixes import (
    PrefixContent,
    PrefixFolder,
    PrefixVariables,
    environments_folder,
)
from reconciler.builders._problems import conda_content, find_certain_problems, find_problems
from reconciler.builders._python import replacement_text, require_python, valid_replacements
from reconciler.builders._rattler import machine_platform
from reconciler.builders._uv import WHEELS_ONLY, compile_lock, run_uv_checked
from reconciler.builders._venv_find import VENVS, has_current_python
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, Built, LockFile, ReportProgress
from reconciler.model.object_store import ObjectStore

_PIP = "pip"
_ABOUT_PACKAGES = frozenset(
    {"package-not-found", "package-without-wheel", "packages-conflict", "environment-build-failed"}
)


class VenvBuilder(PrefixBuilder):
    """Makes virtual environments below `root`; several processes may build at once.

    ``pythons`` maps series of Python to those that mlgit.yml lets it use in their place.
    """

    def __init__(self, root: Path | None = None, pythons: Mapping[str, str] = EMPTY_MAPPING) -> None:
        self._pythons = pythons
        self._prefixes = PrefixFolder(environments_folder(root) / VENVS.folder, VENVS, "VIRTUAL_ENV")

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

    def accept_lock(self, plan: BuildPlan, file: LockFile) -> str:
        return make_lock_header(plan.variant) + require_pip_lock(plan, file, machine_platform())

    def find(self, fingerprint: str) -> Built | None:
        return self._prefixes.find(fingerprint, self._is_current)

    def build(self, plan: BuildPlan, _store: ObjectStore, progress: ReportProgress) -> Built:
        try:
            return self._prefixes.build(plan, progress, self.find, lambda: self._resolve(plan, progress))
        except UserError as error:
            raise _with_replacement(error, plan) from error

    def _is_current(self, index: Mapping[str, Any]) -> bool:
        """Return False for a build with another Python than mlgit.yml says now."""
        return has_current_python(index, self._pythons)

    def _resolve(self, plan: BuildPlan, progress: ReportProgress) -> PrefixContent:
        python = find_interpreter(plan)
        lock = plan.lock or self._previous_lock(plan, python) or self._compile(plan, python, progress)
        return PrefixContent(
            lock=lock,
            python=python.version,
            platform=python.platform,
            install=lambda prefix: _install_prefix(plan.address, prefix, python, lock, progress),
            choices={
                "requires": plan.requires_python,
                "declared": plan.declared_python or plan.requires_python,
                "instead_of": plan.instead_of,
            },
        )

    @staticmethod
    def _compile(plan: BuildPlan, python: Interpreter, progress: ReportProgress) -> str:
        if not plan.packages:
            return ""
        progress(f"resolving {format_package_count(len(plan.packages))}")
        return make_lock_header(plan.variant) + compile_lock(
            plan.address, plan.packages, ("--python", python.executable), progress
        )

    def _previous_lock(self, plan: BuildPlan, python: Interpreter) -> str:
        """Return the lock of a removed prefix, so that the same packages are installed; "" if there is none."""
        index = self._prefixes.read_index(plan.fingerprint)
        is_same_python = (index.get("python"), index.get("platform")) == (python.version, python.platform)
        is_same_choice = index.get("variant") == plan.variant
        return str(index["lock"]) if is_same_python and is_same_choice else ""


def _with_replacement(error: UserError, plan: BuildPlan) -> UserError:
    """Return an error of a build that says which Python was used if that is not the one that is required."""
    if not plan.variant:
        return error
    note = f"{plan.variant}, as mlgit.yml says"
    return UserError(
        *(
            item._replace(message=f"{item.message} ({note})") if item.code in _ABOUT_PACKAGES else item
            for item in error.diagnostics
        )
    )


def _install_prefix(
    address: str, prefix: Path, python: Interpreter, lock: str, progress: ReportProgress
) -> PrefixVariables:
    """Install the packages of a lock into a new prefix, which needs nothing else to be used."""
    packages = parse_lock(address, lock)
    progress(f"installing {format_package_count(len(packages))} for Python {python.version}")
    run_uv_checked(address, ["venv", "--no-project", "--python", python.executable, str(prefix)])
    target = ("--python", str(python_path(prefix)))
    if packages:
        # Compiled here, because runs write no bytecode into an environment that they share. Of pip, which few runs use,
        # it would take longer than all else.
        run_uv_checked(
            address, ["pip", "sync", "-", *target, "--compile-bytecode", "--require-hashes", *WHEELS_ONLY], lock
        )
    if _PIP not in packages and python.pip_wheel:
        run_uv_checked(address, ["pip", "install", *target, "--offline", "--no-deps", python.pip_wheel])
    return PrefixVariables()


def make_venv_builder(settings: Mapping[str, Any], root: Path | None, _workspace: Path | None) -> VenvBuilder:
    """Return the builder that a block of mlgit.yml describes."""
    return VenvBuilder(root, valid_replacements(settings.get("pythons")))
