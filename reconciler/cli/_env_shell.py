"""mlgit env shell: a shell in a built environment."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
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

    It is built first if this machine does not have it. The shell is that of SHELL; in an image, sh as you, with the
    current folder mounted. The exit code is that of the shell.

    \b
    mlgit env shell sklearn
    mlgit env shell sklearn -- python -c 'import sklearn; print(sklearn.__version__)'
    """
    session = open_current_session()
    state = session.state_store.read()
    address = find_declared_environment(session, environment)
    built = build_declared_environment(session, state, address, lambda text: echo_line(f"{address}: {text}", err=True))
    if not words:
        place = f"in {built.environment.path}" if isinstance(built.environment, Prefix) else "in its image"
        echo_line(f"{address}: a shell {place}; leave it with `exit`", err=True)
    if isinstance(built.environment, Prefix):
        return _run_in_prefix(address.name, built.environment, words)
    engine = next((str(item["engine"]) for item in session.config.builders.values() if item.get("engine")), "")
    return _run_in_image(built.environment, words, engine)


def _run_in_prefix(name: str, prefix: Prefix, words: tuple[str, ...]) -> int:
    programs = os.pathsep.join(prefix.program_folders)
    variables = {**os.environ, **prefix.variables}
    variables["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    if words:
        return _run([*words], variables)
    with tempfile.TemporaryDirectory(prefix="mlgit-shell-") as folder:
        shell, more = _start_files(os.environ.get("SHELL") or "/bin/sh", name, programs, Path(folder))
        return _run(shell, {**variables, **more})


def _start_files(shell: str, name: str, programs: str, folder: Path) -> tuple[list[str], Mapping[str, str]]:
    """Return the command of a shell and variables for it, so that PATH begins with the programs of an environment.

    The start files of the user often put other programs first, such as those of pyenv: PATH is set after them.
    """
    path = f"export PATH={shlex.quote(programs)}:$PATH"
    prompt = f"PS1={shlex.quote(f'({name}) ')}$PS1"
    match Path(shell).name:
        case "bash":
            file = folder / "bashrc"
            file.write_text(f"[ ! -f ~/.bashrc ] || . ~/.bashrc\n{path}\n{prompt}\n", "utf-8")
            return [shell, "--rcfile", str(file), "-i"], {}
        case "zsh":
            own = shlex.quote(os.environ.get("ZDOTDIR") or str(Path.home()))
            (folder / ".zshenv").write_text(f"[ ! -f {own}/.zshenv ] || . {own}/.zshenv\n", "utf-8")
            text = f"ZDOTDIR={own}\n[ ! -f {own}/.zshrc ] || . {own}/.zshrc\n{path}\n{prompt}\n"
            (folder / ".zshrc").write_text(text, "utf-8")
            return [shell, "-i"], {"ZDOTDIR": str(folder)}
        case "fish":
            return [shell, "--init-command", f"set -gx PATH {shlex.quote(programs)} $PATH"], {}
    return [shell], {}


def _run_in_image(image: Image, words: tuple[str, ...], engine: str) -> int:
    if shutil.which("docker") is None:
        raise user_error("engine-missing", "there is no command docker on this machine", "install the client of Docker")
    folder = Path.cwd()
    terminal = ["-it"] if not words else ["-i"]
    variables = [f"--env={name}={value}" for name, value in image.variables.items()]
    if user := os.getuid():  # root of the image would leave files of root in the folder
        variables = ["--env=HOME=/tmp", *variables]
        variables.append(f"--user={user}:{os.getgid()}")
    place = [f"--volume={folder}:{folder}", f"--workdir={folder}"]
    command = ["docker", *(["-H", engine] if engine else []), "run", "--rm", *terminal, *variables, *place]
    return _run([*command, image.reference, *(words or ("sh",))], dict(os.environ))


def _run(words: list[str], variables: Mapping[str, str]) -> int:
    """Execute a program on this terminal, which Ctrl-C is for; return its exit code."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)  # a handler is not inherited by the program
    try:
        code = subprocess.run(words, env=dict(variables), check=False).returncode
        return code if code >= 0 else 128 - code  # as a shell says it of a signal
    except OSError as error:
        message = f"{words[0]} cannot be executed: {error.strerror}"
        raise user_error("command-not-executed", message, "name a program that the environment or PATH has") from error
    finally:
        signal.signal(signal.SIGINT, previous)
