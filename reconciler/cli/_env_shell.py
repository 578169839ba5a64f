"""mlgit env shell: a shell in a built environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import click

from reconciler.cli.console import echo_line
from reconciler.cli.options import target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.model.tasks import Image, Prefix
from reconciler.project.environment import build_declared_environment, find_declared_environment


@click.command("shell")
@click.argument("environment")
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@target_option
def command(environment: str, words: tuple[str, ...]) -> int:
    """Open a shell in an environment as its file declares it now, or execute a command in it.

    It is built first if this machine does not have it. The shell is that of SHELL; in an image, sh, with the current
    folder mounted. The exit code is that of the shell.

    \b
    mlgit env shell sklearn
    mlgit env shell sklearn -- python -c 'import sklearn; print(sklearn.__version__)'
    """
    session = open_current_session()
    state = session.state_store.read()
    address = find_declared_environment(session, environment)
    built = build_declared_environment(session, state, address, lambda text: echo_line(f"{address}: {text}", err=True))
    if isinstance(built.environment, Prefix):
        return _run_in_prefix(built.environment, words)
    engine = next((str(item["engine"]) for item in session.config.builders.values() if item.get("engine")), "")
    return _run_in_image(built.environment, words, engine)


def _run_in_prefix(prefix: Prefix, words: tuple[str, ...]) -> int:
    variables = {**os.environ, **prefix.variables}
    variables["PATH"] = os.pathsep.join([str(Path(prefix.path) / "bin"), os.environ.get("PATH", os.defpath)])
    return _run([*words] or [os.environ.get("SHELL") or "/bin/sh"], variables)


def _run_in_image(image: Image, words: tuple[str, ...], engine: str) -> int:
    if shutil.which("docker") is None:
        raise user_error("engine-missing", "there is no command docker on this machine", "install the client of Docker")
    folder = Path.cwd()
    terminal = ["-it"] if not words else ["-i"]
    variables = [f"--env={name}={value}" for name, value in image.variables.items()]
    place = [f"--volume={folder}:{folder}", f"--workdir={folder}"]
    command = ["docker", *(["-H", engine] if engine else []), "run", "--rm", *terminal, *variables, *place]
    return _run([*command, image.reference, *(words or ("sh",))], dict(os.environ))


def _run(words: list[str], variables: Mapping[str, str]) -> int:
    """Execute a program on this terminal; return its exit code."""
    try:
        return subprocess.run(words, env=dict(variables), check=False).returncode
    except OSError as error:
        message = f"{words[0]} cannot be executed: {error.strerror}"
        raise user_error("command-not-executed", message, "name a program that the environment or PATH has") from error
