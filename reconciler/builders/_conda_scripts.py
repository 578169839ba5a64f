"""Runs the scripts of packages of conda in a finished prefix, as conda does: of links, once, and of its activation.

What activation sets is kept with the prefix: it is set for every run, and no run needs a shell for it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.builders._prefixes import PrefixVariables
from reconciler.builders._programs import CommandResult, run_command
from reconciler.builders._uv import network_variables
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import ReportProgress
from reconciler.secrets.urls import mask_url_secrets

_PATH = "PATH"
_BASE_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_PASSED = ("HOME", "LANG", "TMPDIR")
# What a shell sets for itself, and what the builder sets in any case.
_NOT_KEPT = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "PS1", "CONDA_PREFIX", "CONDA_PROMPT_MODIFIER"})
_PRINT_VARIABLES = "import json, os; print(json.dumps(dict(os.environ)))"
_SHOWN_LINES = 5


class InstalledPackage(NamedTuple):
    """A package of a prefix, as its link script is told of it."""

    name: str
    version: str
    build_number: str


class InstalledPrefix(NamedTuple):
    """What rattler has installed: each package after those that it depends on, and the shell script of activation."""

    packages: tuple[InstalledPackage, ...]
    activation: str


def read_installed(answer: Mapping[str, Any]) -> InstalledPrefix:
    """Return what the process of rattler answers."""
    return InstalledPrefix(tuple(InstalledPackage(*item) for item in answer["packages"]), answer["activation"])


def run_link_scripts(address: str, prefix: Path, installed: InstalledPrefix, progress: ReportProgress) -> None:
    """Run ``bin/.NAME-post-link.sh`` of each package that has it, in the order of installation.

    Raises UserError ``environment-build-failed`` with what it printed last if one fails: its package is not whole then.
    """
    for package in installed.packages:
        script = prefix / "bin" / f".{package.name}-post-link.sh"
        if not script.is_file():
            continue
        progress(f"running the link script of {package.name}")
        own = {
            "PREFIX": str(prefix),
            "PKG_NAME": package.name,
            "PKG_VERSION": package.version,
            "PKG_BUILDNUM": package.build_number,
        }
        run = shlex.join([_shell(), str(script)])
        outcome = _run_activated(prefix, installed, run, {**network_variables(), **own})
        if outcome.exit_code:
            raise _script_failed(address, f"the link script of {package.name} {package.version}", outcome)
        messages = prefix / ".messages.txt"
        if messages.is_file():
            for line in messages.read_text("utf-8", "replace").splitlines():
                progress(f"{package.name}: {line}")
            messages.unlink()


def find_activation_variables(address: str, prefix: Path, installed: InstalledPrefix) -> PrefixVariables:
    """Return what the activation of a prefix sets, by running it; raises UserError if it ends the shell.

    The sources are conda's: ``etc/conda/env_vars.d``, ``conda-meta/state``, and scripts in ``etc/conda/activate.d``.
    """
    if not any(map(any, (prefix.glob("etc/conda/activate.d/*.sh"), prefix.glob("etc/conda/env_vars.d/*")))):
        return PrefixVariables()
    print_variables = shlex.join([sys.executable, "-I", "-c", _PRINT_VARIABLES])
    before = _base_variables(prefix)
    outcome = _run_activated(prefix, installed, print_variables, {})
    try:
        after: dict[str, str] = json.loads(outcome.stdout)
    except ValueError as error:
        raise _script_failed(address, "the activation of the environment", outcome) from error
    changed = {
        name: value
        for name, value in after.items()
        if value != before.get(name) and name not in {*_NOT_KEPT, _PATH, *_PASSED}
    }
    known = {*before[_PATH].split(os.pathsep), str(prefix / "bin"), ""}
    added = dict.fromkeys(entry for entry in after.get(_PATH, "").split(os.pathsep) if entry not in known)
    return PrefixVariables(changed, tuple(added))


def _run_activated(
    prefix: Path, installed: InstalledPrefix, command: str, variables: Mapping[str, str]
) -> CommandResult:
    """Run a command of a shell in an activated prefix; what activation prints goes to the standard error."""
    script = f"{{\n{installed.activation}\n}} >&2\n{command}\n"
    return run_command([_shell(), "-c", script], {**variables, **_base_variables(prefix)})


def _base_variables(prefix: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, _PATH: os.pathsep.join([str(prefix / "bin"), *_BASE_PATH]), "CONDA_PREFIX": str(prefix)}


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"


def _script_failed(address: str, what: str, outcome: CommandResult) -> UserError:
    printed = [line for line in (outcome.stdout + outcome.stderr).splitlines() if line.strip()]
    last = mask_url_secrets("; ".join(printed[-_SHOWN_LINES:])) or "it printed nothing"
    message = f"{address}: {what} has failed with exit code {outcome.exit_code}: {last}"
    return user_error("environment-build-failed", message, "use another version of the package, or leave it out")
