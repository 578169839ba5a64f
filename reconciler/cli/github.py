"""mlgit github: write to pull requests and issues, and read what was reviewed; commands are loaded by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from reconciler.cli import refuse_command
from reconciler.diagnostics import user_error

# Command -> its line in `mlgit github --help`; the module `_github_NAME` beside this one has it as ``command``.
_COMMANDS: Mapping[str, str] = {
    "comment": "Write a report or a result into the comment of its pull request.",
    "reviewed": "Download the reports of the pull requests that a merge brings.",
    "approvals": "Write down who approved the head commit of a pull request.",
    "drift": "Open, update or close the issue or the pull request of drift.",
}
_CLIENT_LIBRARY = "github"


class _GithubGroup(click.Group):
    """The group of commands for GitHub, which need the extra `github`; a command is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        try:
            command: click.Command = importlib.import_module(f"reconciler.cli._github_{cmd_name}").command
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != _CLIENT_LIBRARY:
                raise
            message = "the commands of `mlgit github` need PyGithub, which is not installed"
            raise user_error("github-not-installed", message, "run `pip install 'mlgit[github]'`") from error
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            refuse_command(ctx, args[0], ["github", *args], [*_COMMANDS])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])


@click.group("github", cls=_GithubGroup)
def command() -> None:
    """Show reports in pull requests and issues of GitHub.

    The commands read the token of GITHUB_TOKEN and what else a workflow has in its environment. They read no file of
    the repository.

    \b
    mlgit github comment report
    """
