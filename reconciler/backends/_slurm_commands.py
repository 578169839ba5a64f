"""The commands of Slurm: how they are found and called, and what their errors mean."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from reconciler.diagnostics import UserError, user_error
from reconciler.runner.environment import allowed_variables

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/slurm/bin", "/usr/local/slurm/bin")  # beside those of PATH
_CONFIG_VARIABLE = "SLURM_CONF"
# Variables of who submits that a run needs, beside PATH; all others are those of its node, or secrets.
_VARIABLES = ("HOME", "USER", "LOGNAME", "LANG")
_SECONDS = 60
_UNREACHABLE = ("unable to contact slurm controller", "socket timed out", "zero bytes were transmitted", "munge")
_UNCONFIGURED = ("dns srv lookup failed", "configuration source")  # as there is no slurm.conf


class SlurmError(Exception):
    """A command of Slurm has failed; its text is what it says."""


def find_command(program: str) -> str | None:
    """Return the path of a command of Slurm on this machine."""
    return shutil.which(program, path=_search_path())


def call(program: str, *arguments: str, seconds: float = _SECONDS) -> str:
    """Return what a command prints.

    Raises SlurmError if Slurm refuses, UserError ``backend-unreachable`` if it does not answer, or is not installed.
    It gets none of the caller's secrets, nor its settings for sbatch: Slurm hands its variables to the job.
    """
    command = find_command(program)
    if command is None:
        message = f"{program} of Slurm is not installed on {os.uname().nodename}"
        raise user_error("backend-unreachable", message, "machine: of the backend names one that submits jobs by ssh")
    own = allowed_variables(os.environ) | {"PATH": _search_path()}
    if config := os.environ.get(_CONFIG_VARIABLE):
        own[_CONFIG_VARIABLE] = config
    variables = {name: own[name] for name in (*_VARIABLES, "PATH", _CONFIG_VARIABLE) if name in own}
    try:
        done = subprocess.run(
            [command, *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreachable(f"{program} has not ended within {seconds:g} s") from error
    if done.returncode != 0:
        text = _without_prefixes(done.stderr.decode("utf-8", "replace"))
        if any(words in text.lower() for words in _UNREACHABLE):
            raise _unreachable(text)
        if any(words in text.lower() for words in _UNCONFIGURED):
            message = f"{os.uname().nodename} has no slurm.conf that says where its Slurm is"
            hint = f"set {_CONFIG_VARIABLE} to the file, or machine: of the backend to one that submits jobs by ssh"
            raise user_error("backend-unreachable", message, hint)
        raise SlurmError(text or f"{program} ended with exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def list_values(program: str, *arguments: str) -> Sequence[str]:
    """Return the lines that a command prints, each once; nothing if it fails: they only help to understand an error."""
    try:
        return sorted({line.strip() for line in call(program, *arguments).splitlines() if line.strip()})
    except (SlurmError, UserError):
        return ()


def _search_path() -> str:
    own = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*filter(None, own), *_FOLDERS]))


def _without_prefixes(text: str) -> str:
    """Return what a command says of an error as one line, without its name before each."""
    lines = [line.partition("error: ")[2] or line for line in text.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(line.strip() for line in lines))


def _unreachable(reason: str) -> UserError:
    message = f"Slurm on {os.uname().nodename} does not answer: {reason}"
    return user_error("backend-unreachable", message, "check it there with sinfo")
