"""mlgit plan: what apply would do and why. Reads Git and the recorded state; changes nothing.

Where nothing has changed since it was shown last, it is shown again, and nothing else is loaded. What plans for real
(``cli._plan``) is imported by name, when it is needed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from reconciler.cli.console import print_coloured_lines
from reconciler.cli.options import (
    EXIT_CHANGES,
    TARGET_KEY,
    guard_options,
    plan_format_option,
    replace_option,
    select_options,
    target_option,
)
from reconciler.source.rendered_plan import RenderedPlan, RenderedPlanCache, open_rendered_plan_cache

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS_NOT_IN_CACHE_KEY = {"detailed_exitcode"}  # options that do not change what is planned


@click.command("plan")
@click.option("-o", "--out", "out", type=_FILE_TYPE, metavar="FILE", help="Save the plan, for `mlgit apply FILE`.")
@click.option("--ref", "revision", metavar="REV", help="Plan a revision instead of the work tree.")
@click.option("--refresh", is_flag=True, help="Ask the backends how runs stand before planning.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there is something to do.")
@select_options
@replace_option
@guard_options
@plan_format_option
@target_option
def command(**options: Any) -> int:
    """Say what apply would do, and why.

    \b
    mlgit plan
    mlgit plan --select +model/iris -o plan.json && mlgit apply plan.json
    mlgit plan --ref origin/main --detailed-exitcode
    """
    known = _open_plan_cache()
    shown = known.find_plan() if known else None
    if shown is None:
        return int(importlib.import_module("reconciler.cli._plan").run_plan(options, known))
    _print_rendered_plan(shown)
    return EXIT_CHANGES if options["detailed_exitcode"] and shown.has_changes else 0


def _open_plan_cache() -> RenderedPlanCache | None:
    """Return what is remembered, where nothing is asked for beyond the plan of the work tree."""
    context = click.get_current_context()
    usual = TARGET_KEY not in context.meta and all(
        context.get_parameter_source(name) is ParameterSource.DEFAULT
        for name in context.params.keys() - _OPTIONS_NOT_IN_CACHE_KEY
    )
    return open_rendered_plan_cache(Path.cwd(), Path(str(click.__file__)).parents[1]) if usual else None


def _print_rendered_plan(shown: RenderedPlan) -> None:
    if shown.diagnostics:
        click.echo(shown.diagnostics, err=True)
    print_coloured_lines(shown.text)
    if shown.hint:
        click.echo(shown.hint)
