"""mlgit plan: what apply would do and why. Reads Git and the live state; changes nothing.

If nothing has changed since the plan was printed last, the cached output is printed, and nothing else is loaded. The
module that makes plans (``cli._plan``) is imported by name when it is needed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from reconciler.cli.cached_output import open_default_output_cache
from reconciler.cli.console import echo, print_coloured_lines
from reconciler.cli.options import (
    EXIT_CHANGES,
    SetCommand,
    destroy_option,
    guard_options,
    plan_format_option,
    replace_option,
    select_options,
    set_option,
    target_option,
)

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS_NOT_IN_CACHE_KEY = frozenset({"detailed_exitcode"})  # it does not change the plan


class RenderedPlan(NamedTuple):
    """A plan as it was printed: its text, the diagnostics of the files, the hint how to apply it.

    ``has_changes`` is True if some action can be done at once: what ``--detailed-exitcode`` reports. ``has_refusals``
    is True if a provider does not support an asset that the plan would have it realise. ``folders`` are the finished
    builds of this machine that the text names.
    """

    text: str
    diagnostics: str
    hint: str
    has_changes: bool
    has_refusals: bool
    folders: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Return True if the finished builds that the text names are still there."""
        return all(map(os.path.isdir, self.folders))


def _check_file_name(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> Path | None:
    """Return the file that --out names; an empty name would be taken for that of the current folder."""
    if file is not None and not file.name:
        raise click.BadParameter("the name of the file is empty")
    return file


@click.command("plan", cls=SetCommand)
@click.option(
    "-o",
    "--out",
    "out",
    type=_FILE_TYPE,
    callback=_check_file_name,
    metavar="FILE",
    help="Save the plan to a file, for `mlgit apply FILE`; Git ignores it in this clone.",
)
@click.option("--ref", "revision", metavar="REV", help="Plan a revision instead of the work tree.")
@click.option("--base", metavar="REV", help="Show apart what is pending on a revision, such as origin/main.")
@click.option("--refresh", is_flag=True, help="Refresh from the providers before planning.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if an action could be done now.")
@destroy_option
@select_options
@set_option
@replace_option
@guard_options
@plan_format_option
@target_option
def command(**options: Any) -> int:
    """Show what apply would do, and why.

    What a provider does not support is refused at its line, with all that waits for it; the exit code is 1 then. The
    rest is planned. With --set, the plan is that of one job, as `mlgit run` would run it with these values.

    \b
    mlgit plan
    mlgit plan --select +model/iris -o plan.json && mlgit apply plan.json
    mlgit plan --ref origin/main --detailed-exitcode
    mlgit plan --select job/train --set inputs.lr=0.3
    mlgit plan --destroy --target staging
    """
    if options["overrides"]:
        _check_set_option(options)
    if options["base"]:
        _check_base_option(options)
    cache = open_default_output_cache(_OPTIONS_NOT_IN_CACHE_KEY)
    rendered = cache.find("plan", RenderedPlan) if cache else None
    if rendered is None or not rendered.is_current:
        return int(importlib.import_module("reconciler.cli._plan").run_plan(options, cache))
    _print_rendered_plan(rendered)
    return plan_exit_code(rendered, detailed=options["detailed_exitcode"])


def _check_set_option(options: Mapping[str, Any]) -> None:
    """Raise a usage error if ``--set`` does not go with the other options."""
    if len(options["selected"]) != 1:
        raise click.UsageError("--set needs the one job that it is for: --select job/NAME")
    for name, option in (("out", "--out"), ("destroy", "--destroy")):
        if options[name]:
            raise click.UsageError(f"--set and {option} cannot be used together: only what the files say is applied")


def _check_base_option(options: Mapping[str, Any]) -> None:
    """Raise a usage error if ``--base`` does not go with the other options."""
    if options["form"] != "text":
        raise click.UsageError("--base shows text; `mlgit ci plan --base REV --out DIR` writes JSON and Markdown")
    for name, option in (("overrides", "--set"), ("destroy", "--destroy"), ("refresh", "--refresh")):
        if options[name]:
            raise click.UsageError(f"--base and {option} cannot be used together: the base is planned by its files")


def plan_exit_code(rendered: RenderedPlan, *, detailed: bool) -> int:
    """Return the exit code of a plan: 1 if a provider refuses a part of it."""
    return 1 if rendered.has_refusals else EXIT_CHANGES if detailed and rendered.has_changes else 0


def _print_rendered_plan(rendered: RenderedPlan) -> None:
    if rendered.diagnostics:
        echo(rendered.diagnostics, err=True)
    print_coloured_lines(rendered.text)
    if rendered.hint:
        echo(rendered.hint)
