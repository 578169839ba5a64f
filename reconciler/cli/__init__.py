"""The command line. A command is imported when it is called, so that ``mlgit --help`` imports only click.

Exit codes: 0 success, 1 an error of the user or of the infrastructure, 2 changes, with ``--detailed-exitcode``, 3 a bug
in mlgit, 130 interrupted, 143 terminated (SIGTERM), 129 hung up (SIGHUP).
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from gc import freeze, set_threshold  # the module of that name here is a command
from types import FrameType
from typing import Any, NoReturn

import click

from reconciler import __version__
from reconciler.cli.console import echo, format_message
from reconciler.diagnostics import UserError, memory_diagnostic
from reconciler.regular_files import describe_os_error

# Command -> its line in `mlgit --help`; the module of the same name defines the command.
COMMANDS: Mapping[str, str] = {
    "init": "Start a new workspace in a folder.",
    "validate": "Check the files; offline, executes nothing.",
    "plan": "Show what apply would do, and why.",
    "apply": "Make the live state what Git declares.",
    "run": "Run one job file as it is now, beside what is applied.",
    "reconcile": "Run the controller: fetch, plan and apply repeatedly.",
    "status": "Show what is live, and what is running.",
    "list": "List live assets.",
    "show": "Show one asset.",
    "lineage": "Show what an asset or a run was made of, and what was made of it.",
    "get": "Write the files of an asset into a folder, verified.",
    "verify": "Compare the bytes of the store with what was stored.",
    "gc": "Remove from the store what nothing needs any more.",
    "drift": "Show where the providers differ from the live state.",
    "ci": "Plan and apply changes of the repository in a CI system.",
    "data": "Data and files of datastores: ls, get, put, stat, head.",
    "env": "Built environments: lock, shell, diff, prune.",
    "job": "Look at runs: list, logs, metrics, download, cancel, wait, rerun.",
    "log": "Show the history of the live state: who, when, from which commit.",
    "diff": "Show what differs between two revisions of the live state, or two versions of data.",
    "rollback": "Apply an earlier commit again, and hold the newer one.",
    "archive": "Archive an asset, or one version of it.",
    "restore": "Restore an archived asset or version.",
    "import": "Write files for live assets that are not declared.",
    "state": "Manage the live state: show, rm, repair, restore.",
    "unlock": "Release another apply's lock, or list current locks.",
    "github": "Show reports in pull requests and issues of GitHub.",
    "fmt": "Put the fields of asset files in canonical order.",
    "schema": "Print the JSON schema of a kind; set up an editor.",
    "explain": "Explain a diagnostic, and how to fix it.",
}

EXIT_BUG, EXIT_INTERRUPTED = 3, 130
_CONFIG_FILE, _MAX_CONFIG_BYTES = "mlgit.yml", 1 << 20
_GC_THRESHOLD = 100_000  # new objects; what a command imports stays, and looking through it again takes time

_BUG_MESSAGE = """mlgit itself failed: this is a bug, not a mistake of yours. Nothing was left half-done on purpose;
`mlgit status` shows what is live. Please report the lines above."""


class _TerminatedError(BaseException):
    """A signal ends the command. It is no SystemExit, which counts as a failure of a plug-in that is being asked."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class _LazyGroup(click.Group):
    """A command group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # list(COMMANDS) would call the submodule `list` once it is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            refuse_command(ctx, args[0], args, [*COMMANDS])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


def refuse_command(context: click.Context, name: str, words: Sequence[str], commands: Sequence[str]) -> NoReturn:
    """Raise ClickException for a command that does not exist, with what to use instead.

    ``words`` are those of the command line, ``commands`` the names that there are in the group.
    """
    if hint := importlib.import_module("reconciler.cli.az_commands").az_command_hint(words):
        raise click.ClickException(hint)
    suggest = importlib.import_module("reconciler.format.suggest")
    hint = suggest.did_you_mean(name, commands) or "the commands there are: " + ", ".join(commands)
    context.fail(f"there is no command {name}; {hint}")


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="mlgit", message="%(prog)s %(version)s")
@click.option("-C", "folder", metavar="DIR", help="Work in this folder instead of the current one.")
@click.pass_context
def main(context: click.Context, folder: str | None) -> int:
    """Keep a machine-learning workspace in Git: plan what would change, apply it.

    \b
    mlgit init my-workspace && cd my-workspace
    mlgit plan
    mlgit apply --wait
    """
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise click.UsageError(f"cannot work in {folder}: {error.strerror}") from error
    _take_secrets()
    if context.invoked_subcommand is None:
        echo(context.get_help())
        return 1  # no command was given
    return 0


def _take_secrets() -> None:
    """Remove the variables that mlgit.yml has secrets from: Git, which is started first, is not to get them."""
    with suppress(OSError):  # what is wrong with the file is said by the command that reads it
        folder, parent = "", os.getcwd()  # noqa: PTH109 - as a text, which is quicker
        while folder != parent:
            folder, parent = parent, os.path.dirname(parent)  # noqa: PTH120
            path = os.path.join(folder, _CONFIG_FILE)  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                with open(path, "rb") as file:  # noqa: PTH123
                    text = file.read(_MAX_CONFIG_BYTES)
                if b"env:" in text:
                    importlib.import_module("reconciler.secret_values").take_from_environment_early(text)
                return


def run_command_line() -> None:
    """Run the command line and exit with its exit code."""
    set_threshold(_GC_THRESHOLD)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, _terminate)
    try:
        exit_code = _run_main()
    except _TerminatedError as termination:
        exit_code = termination.exit_code
    freeze()  # so that Python, as it exits, does not look through all that was imported
    sys.exit(exit_code)


def _terminate(number: int, _frame: FrameType | None) -> None:
    """End the processes of Git, which have sessions of their own, then the command; cleans up as Ctrl-C does."""
    if process := sys.modules.get("reconciler.git.process"):
        process.end_all()
    raise _TerminatedError(128 + number)


def _run_main() -> int:
    try:
        result = main.main(prog_name="mlgit", standalone_mode=False)
    except UserError as error:
        return _print_error(*_user_error_lines(error), code=1)
    except click.UsageError as error:
        usage = [error.ctx.get_usage()] if error.ctx else []
        return _print_error(*usage, format_message(f"error: {error.format_message()}"), code=1)
    except click.ClickException as error:
        return _print_error(format_message(f"error: {error.format_message()}"), code=1)
    except (click.Abort, KeyboardInterrupt) as interruption:
        return _print_error(str(interruption) or "interrupted", code=EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - report any other exception as a bug
        diagnostic = memory_diagnostic(error) or (describe_os_error(error) if isinstance(error, OSError) else None)
        return _print_error(*_user_error_lines(UserError(diagnostic)), code=1) if diagnostic else _report_bug(error)
    return result if isinstance(result, int) else 0


def _report_bug(error: Exception) -> int:
    if isinstance(error, BrokenPipeError) and _is_stdout_closed():
        return 1
    return _print_error(importlib.import_module("traceback").format_exc(), _BUG_MESSAGE, code=EXIT_BUG)


def _is_stdout_closed() -> bool:
    """Return True if the reader closed standard output, as in ``mlgit log | head``; if so, discard further output."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _user_error_lines(error: UserError) -> list[str]:
    lines = []
    for diagnostic in error.diagnostics:
        location = f"{diagnostic.span}: " if diagnostic.span else ""
        lines.append(f"{location}{diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]")
        lines += [f"  help: {diagnostic.hint}"] if diagnostic.hint else []
    return [*map(format_message, lines)]


def _print_error(*lines: str, code: int) -> int:
    echo("\n".join(lines), err=True)
    return code
