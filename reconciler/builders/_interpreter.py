"""The Python interpreters of this machine, for the builder `venv`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from packaging.specifiers import SpecifierSet

from reconciler.builders._python import format_python, nearest_series, wanted_series
from reconciler.builders._uv import run_program, run_uv
from reconciler.diagnostics import user_error
from reconciler.model.builder import BuildPlan

PROBE_SCRIPT = """
import json, pathlib, platform, sys, sysconfig
try:
    import ensurepip
    folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or pathlib.Path(ensurepip.__file__).with_name("_bundled")
    wheels = sorted(map(str, pathlib.Path(folder).glob("pip-*.whl")))
except ImportError:
    wheels = []
names = [sys.implementation.cache_tag, sysconfig.get_platform(), *platform.libc_ver()]
print(json.dumps([platform.python_version(), "-".join(filter(None, names)), "".join(wheels[-1:])]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python interpreter of this machine."""

    executable: str
    version: str
    platform: str
    pip_wheel: str
    """The wheel of the pip that the interpreter comes with, "" if it comes without."""


class MissingPython(NamedTuple):
    """That a Python is missing: the message, the hint, and what ``pythons`` in mlgit.yml would say to do without it."""

    message: str
    hint: str
    pythons: dict[str, str]


@cache
def has_interpreter(specifier: str) -> bool:
    """Return True if this machine has a Python of a version; asked once by a process, because uv takes its time."""
    return _is_own_version(specifier) or bool(_find_program(specifier))


@cache
def missing_python(specifier: str, instead_of: str = "") -> MissingPython:
    """Return that this machine has no Python of a version, with the nearest one that it has."""
    wanted = wanted_series(specifier)
    nearest = nearest_series(wanted, _available_series())
    message = f"there is no Python {format_python(specifier)} on this machine; the nearest is {nearest}"
    if instead_of:
        message = f"{message} (mlgit.yml names it instead of {instead_of})"
    pythons = {instead_of or wanted: nearest}
    install = f"uv python install {format_python(specifier)}"
    consent = f"write pythons: {json.dumps(pythons)} below builders: venv: in mlgit.yml"
    return MissingPython(message, f"install one ({install}), or let mlgit use the nearest: {consent}", pythons)


def find_interpreter(plan: BuildPlan) -> Interpreter:
    """Return an interpreter with the Python version of a plan; raises UserError ``python-not-found``."""
    own: str = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  -- not the one in the venv of mlgit
    program = own if _is_own_version(plan.requires_python) else _find_program(plan.requires_python)
    if not program:
        missing = missing_python(plan.requires_python, plan.instead_of)
        raise user_error("python-not-found", f"{plan.address}: {missing.message}", missing.hint)
    return probe_interpreter(plan.address, program)


def probe_interpreter(address: str, program: str) -> Interpreter:
    """Return what an interpreter says of itself; raises UserError ``python-not-found`` if it cannot be run."""
    outcome = run_program([program, "-I", "-c", PROBE_SCRIPT])
    if outcome.exit_code:
        message = f"{address}: the Python interpreter {program} cannot be run"
        raise user_error("python-not-found", message, "repair or remove that installation")
    return Interpreter(program, *json.loads(outcome.stdout))


def _is_own_version(specifier: str) -> bool:
    return SpecifierSet(specifier).contains(platform.python_version(), prereleases=True)


def _find_program(specifier: str) -> str:
    """Return the path of an interpreter that uv knows of, "" if there is none."""
    outcome = run_uv(["python", "find", "--no-project", "--system", specifier])
    return "" if outcome.exit_code else outcome.stdout.strip()


def _available_series() -> set[str]:
    """Return the series of the Pythons of this machine: that of mlgit, and those that uv knows of."""
    own = ".".join(platform.python_version_tuple()[:2])
    outcome = run_uv(["python", "list", "--only-installed", "--output-format", "json"])
    installed = json.loads(outcome.stdout) if not outcome.exit_code else []
    parts = [item["version_parts"] for item in installed if item["implementation"] == "cpython"]
    return {own, *(f"{part['major']}.{part['minor']}" for part in parts)}
