"""The Python interpreters of this machine, for the builder `venv`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from reconciler.builders._uv import run_program, run_uv
from reconciler.diagnostics import user_error
from reconciler.model.builder import BuildPlan

_PROBE_SCRIPT = """
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


def find_interpreter(plan: BuildPlan) -> Interpreter:
    """Return an interpreter with the Python version of a plan; raises UserError ``python-not-found``."""
    if SpecifierSet(plan.requires_python).contains(platform.python_version(), prereleases=True):
        program = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001  -- not the one in the venv of mlgit
    else:
        outcome = run_uv(["python", "find", "--no-project", "--system", plan.requires_python])
        if outcome.exit_code:
            message = f"{plan.address}: there is no Python {plan.requires_python} on this machine"
            hint = f"install one (uv python install), or require the one of this machine: {platform.python_version()}"
            raise user_error("python-not-found", message, hint)
        program = outcome.stdout.strip()
    outcome = run_program([program, "-I", "-c", _PROBE_SCRIPT])
    if outcome.exit_code:
        message = f"{plan.address}: the Python interpreter {program} cannot be run"
        raise user_error("python-not-found", message, "repair or remove that installation")
    return Interpreter(program, *json.loads(outcome.stdout))
