"""mlgit ci: what a CI system runs for a change of the repository; each command is loaded by name."""

from __future__ import annotations

import importlib
from typing import Any

import click

from reconciler.cli import refuse_command

# The module `_ci_NAME` beside this one has the command of that name as ``command``.
CI_COMMANDS = ("plan", "check", "apply", "drift")


class _CiGroup(click.Group):
    """The group of commands for CI; a command is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *CI_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in CI_COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"reconciler.cli._ci_{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            refuse_command(ctx, args[0], ["ci", *args], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group("ci", cls=_CiGroup)
def command() -> None:
    """Plan and apply changes in a CI system.

    The commands need no token and call no API of the CI system. What they find out is in files, which other jobs read.

    \b
    mlgit ci plan --base origin/main --out report
    """
