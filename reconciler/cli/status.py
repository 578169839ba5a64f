"""mlgit status: what is live, what runs, what waits or failed; from the live state and the backends.

If nothing has changed since the status was printed last, and no run was active then, the remembered output is printed.
Else ``cli._status``, which reads the status, is imported by name.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from reconciler.cli.cached_output import open_default_output_cache
from reconciler.cli.console import print_coloured_lines, print_table
from reconciler.cli.options import format_option, target_option

COLUMN_HEADINGS = ("ADDRESS", "VERSION", "STATE", "SINCE")


class RenderedStatus(NamedTuple):
    """A status as it is printed: the rows of the table of live assets, and the lines below."""

    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


def _parse_seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    try:
        seconds = float(value.removesuffix("s"))
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise click.BadParameter(f"{value} is not a number of seconds, such as 2s")
    return seconds


@click.command("status")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C, and show what changes.")
@click.option("--until-idle", is_flag=True, help="With --watch: exit when no run is active.")
@click.option(
    "--interval",
    metavar="SECONDS",
    callback=_parse_seconds,
    default="2s",
    show_default=True,
    help="With --watch: time between refreshes.",
)
@format_option
@target_option
def command(*, watch: bool, until_idle: bool, interval: float, form: str) -> int:
    """Show what is live, what is running, and what waits or failed.

    \b
    mlgit status
    mlgit status --watch --until-idle
    """
    if until_idle and not watch:
        raise click.UsageError("--until-idle requires --watch")
    if watch and form == "json":
        raise click.UsageError("--watch cannot be combined with --format json")
    cache = open_default_output_cache()
    rendered = cache.find("status", RenderedStatus) if cache else None
    if rendered is not None:
        print_status(rendered)
        return 0
    module = importlib.import_module("reconciler.cli._status")
    return int(module.watch_status(interval, until_idle=until_idle) if watch else module.run_status(form, cache))


def print_status(rendered: RenderedStatus) -> None:
    """Print a status as a table with lines below."""
    if rendered.rows:
        print_table(COLUMN_HEADINGS, rendered.rows)
    print_coloured_lines("\n".join(rendered.lines))
