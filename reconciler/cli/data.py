"""mlgit data: list, read and write files of datastores, and look into tables.

Imported by name are the commands, each of which loads what it needs.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from reconciler.cli import refuse_command

DATA_COMMANDS = ("get", "head", "ls", "put", "stat")


class _DataGroup(click.Group):
    """The group of commands on files of datastores; each is loaded by name when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [*DATA_COMMANDS]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in DATA_COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"reconciler.cli._data_{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in DATA_COMMANDS and not args[0].startswith("-"):
            refuse_command(ctx, args[0], ["data", *args], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group("data", cls=_DataGroup)
def command() -> None:
    """List, read and write files of datastores; print the first rows of a table.

    PATH is NAME/PATH, azureml://datastores/NAME/paths/PATH, or a wasbs:// or abfss:// URL in a datastore. The
    datastores are those that were applied, those of mlgit.yml, and those of every workspace, such as
    workspaceblobstore, which are in the object store.

    \b
    mlgit data ls workspaceblobstore
    mlgit data put iris.csv workspaceblobstore/iris/
    mlgit data head data/iris
    """
