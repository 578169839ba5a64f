"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

CommandFunction = Callable[..., Any]

EXIT_CHANGES = 2  # with --detailed-exitcode, if an action could be done now

# In the context of a command: the target that the user has chosen.
TARGET_KEY = "mlgit.target"
# In the context of a command: the function that receives diagnostics instead of standard error.
DIAGNOSTICS_HANDLER_KEY = "mlgit.diagnostics"


def target_option(function: CommandFunction) -> CommandFunction:
    """Add ``--target``, which ``cli.session`` reads; its default is the variable MLGIT_TARGET."""
    return click.option(
        "--target",
        metavar="NAME",
        envvar="MLGIT_TARGET",
        expose_value=False,
        callback=_store_target,
        help="The target of mlgit.yml to work on.",
    )(function)


def _store_target(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value:
        context.meta[TARGET_KEY] = value


def format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json``."""
    choice = click.Choice(["text", "json"])
    return click.option("--format", "form", type=choice, default="text", help="Output format.")(function)


def diagnostics_format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json|github|sarif``."""
    choice = click.Choice(["text", "json", "github", "sarif"])
    help_text = "Output format; github prints workflow annotations, sarif a file for code scanning."
    return click.option("--format", "form", type=choice, default="text", help=help_text)(function)


def guard_options(function: CommandFunction) -> CommandFunction:
    """Add the options that lift the limits of a plan."""
    submit = click.option("--allow-submit", type=click.IntRange(min=0), metavar="N", help="Allow up to N new runs.")
    delete = click.option("--allow-mass-delete", is_flag=True, help="Allow the removal of a large share of all assets.")
    return submit(delete(function))


def plan_format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json|markdown|github``."""
    choice = click.Choice(["text", "json", "markdown", "github"])
    help_text = "Output format; json is a stream of events, github a comment for a pull request."
    return click.option("--format", "form", type=choice, default="text", help=help_text)(function)


def select_options(function: CommandFunction) -> CommandFunction:
    """Add ``--select`` and ``--exclude``."""
    select_help = (
        "Select assets: a kind, KIND/NAME (with * as wildcard), a file or folder, or tag:KEY=VALUE. "
        "A leading + adds upstream assets, a trailing + downstream ones. Only what they need must be free of errors."
    )
    select = click.option("--select", "selected", multiple=True, metavar="SELECTOR", help=select_help)
    exclude = click.option(
        "--exclude", "excluded", multiple=True, metavar="SELECTOR", help="Exclude assets and all that need them."
    )
    return select(exclude(function))


_SET = "--set"


class SetCommand(click.Command):
    """A command whose option ``--set`` takes several values, as in `az ml`: ``--set inputs.lr=0.3 tags.a=b``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_repeat_set_option(args)))


def _repeat_set_option(arguments: Iterable[str]) -> Iterator[str]:
    """Yield arguments with ``--set`` before each of its values."""
    is_value, is_further_value = False, False
    for argument in arguments:
        if is_further_value and not argument.startswith("-") and "=" in argument:
            yield _SET
        elif not is_value:
            is_further_value = argument.startswith(f"{_SET}=")
        yield argument
        is_further_value, is_value = is_further_value or is_value, argument == _SET and not is_value


def set_option(function: CommandFunction) -> CommandFunction:
    """Add ``--set PATH=VALUE`` to a command of the class `SetCommand`."""
    help_text = "Give a field of the job another value: JSON, else text, such as inputs.lr=0.3; as in az ml job create."
    return click.option(_SET, "overrides", multiple=True, metavar="PATH=VALUE...", help=help_text)(function)


def destroy_option(function: CommandFunction) -> CommandFunction:
    """Add ``--destroy``."""
    return click.option("--destroy", is_flag=True, help="Remove everything that is live, whatever the files declare.")(
        function
    )


def replace_option(function: CommandFunction) -> CommandFunction:
    """Add ``--replace``."""
    return click.option(
        "--replace", "replaced", multiple=True, metavar="ADDRESS", help="Replace this asset even if it has not changed."
    )(function)
