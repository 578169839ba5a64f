"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorated = Callable[..., Any]


def format_option(function: Decorated) -> Decorated:
    """Add ``--format text|json``."""
    choice = click.Choice(["text", "json"])
    return click.option("--format", "form", type=choice, default="text", help="For people or for programs.")(function)


def report_option(function: Decorated) -> Decorated:
    """Add ``--format text|json|github|sarif``."""
    choice = click.Choice(["text", "json", "github", "sarif"])
    described = "For people, programs, annotations of a pull request, code scanning."
    return click.option("--format", "form", type=choice, default="text", help=described)(function)


def guard_options(function: Decorated) -> Decorated:
    """Add the options that let a plan do more than usual."""
    submit = click.option("--allow-submit", type=int, metavar="N", help="Let this plan start up to N runs.")
    delete = click.option("--allow-mass-delete", is_flag=True, help="Let this plan remove a large share of all assets.")
    return submit(delete(function))


def replace_option(function: Decorated) -> Decorated:
    """Add ``--replace``."""
    return click.option(
        "--replace", "replaced", multiple=True, metavar="ADDRESS", help="Do this one anew, though nothing changed."
    )(function)
