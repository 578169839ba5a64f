"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

CommandFunction = Callable[..., Any]

EXIT_CHANGES = 2  # what --detailed-exitcode exits with where there is something to do

# In the context of a command: the target that the user has chosen.
TARGET_KEY = "mlgit.target"


def target_option(function: CommandFunction) -> CommandFunction:
    """Add ``--target``, which `open_session` looks at; the variable MLGIT_TARGET stands in for it."""
    return click.option(
        "--target",
        metavar="NAME",
        envvar="MLGIT_TARGET",
        expose_value=False,
        callback=_store_target,
        help="Work on this target of mlgit.yml.",
    )(function)


def _store_target(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value:
        context.meta[TARGET_KEY] = value


def format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json``."""
    choice = click.Choice(["text", "json"])
    return click.option("--format", "form", type=choice, default="text", help="For people or for programs.")(function)


def diagnostics_format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json|github|sarif``."""
    choice = click.Choice(["text", "json", "github", "sarif"])
    described = "For people, programs, annotations of a pull request, code scanning."
    return click.option("--format", "form", type=choice, default="text", help=described)(function)


def guard_options(function: CommandFunction) -> CommandFunction:
    """Add the options that let a plan do more than usual."""
    submit = click.option(
        "--allow-submit", type=click.IntRange(min=0), metavar="N", help="Let this plan start up to N runs."
    )
    delete = click.option("--allow-mass-delete", is_flag=True, help="Let this plan remove a large share of all assets.")
    return submit(delete(function))


def plan_format_option(function: CommandFunction) -> CommandFunction:
    """Add ``--format text|json|markdown|github``."""
    choice = click.Choice(["text", "json", "markdown", "github"])
    described = "For people, for programs (a stream of events), for a page, for a comment of a pull request."
    return click.option("--format", "form", type=choice, default="text", help=described)(function)


def select_options(function: CommandFunction) -> CommandFunction:
    """Add ``--select`` and ``--exclude``."""
    described = (
        "Only this: a kind, KIND/NAME with * for anything, a file or folder, tag:KEY=VALUE. "
        "+ before it adds what it is made from, + behind it what is made from it."
    )
    select = click.option("--select", "selected", multiple=True, metavar="WHAT", help=described)
    exclude = click.option("--exclude", "excluded", multiple=True, metavar="WHAT", help="Not this, nor what needs it.")
    return select(exclude(function))


def replace_option(function: CommandFunction) -> CommandFunction:
    """Add ``--replace``."""
    return click.option(
        "--replace", "replaced", multiple=True, metavar="ADDRESS", help="Do this one anew, though nothing changed."
    )(function)
