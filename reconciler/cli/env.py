"""mlgit env: locks, shells, differences and the removal of built environments.

Imported by name are the commands, each of which loads what it needs.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from reconciler.cli import refuse_command

ENVIRONMENT_COMMANDS = ("diff", "lock", "prune", "shell")


class _EnvironmentGroup(click.Group):
    """The group of commands on environments; each is loaded by name when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [*ENVIRONMENT_COMMANDS]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ENVIRONMENT_COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"reconciler.cli._env_{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in ENVIRONMENT_COMMANDS and not args[0].startswith("-"):
            refuse_command(ctx, args[0], ["env", *args], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group("env", cls=_EnvironmentGroup)
def command() -> None:
    """Work with built environments: their locks, a shell in one, what differs, what to remove.

    ENVIRONMENT is environment/NAME, or NAME alone, with @VERSION for another version than the current one.

    \b
    mlgit env shell sklearn
    """
