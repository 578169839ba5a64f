"""mlgit plan: what apply would do and why. Reads Git and the live state; changes nothing.

If nothing has changed since the plan was printed last, the cached output is printed, and nothing else is loaded. The
module that makes plans (``cli._plan``) is imported by name when it is needed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from reconciler.cli.console import echo, print_coloured_lines
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
_OPTIONS_NOT_IN_CACHE_KEY = {"detailed_exitcode"}  # it does not change the plan


@click.command("plan")
@click.option(
    "-o", "--out", "out", type=_FILE_TYPE, metavar="FILE", help="Save the plan to a file, for `mlgit apply FILE`."
)
@click.option("--ref", "revision", metavar="REV", help="Plan a revision instead of the work tree.")
@click.option("--refresh", is_flag=True, help="Refresh from the providers before planning.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if an action could be done now.")
@select_options
@replace_option
@guard_options
@plan_format_option
@target_option
def command(**options: Any) -> int:
    """Show what apply would do, and why.

    \b
    mlgit plan
    mlgit plan --select +model/iris -o plan.json && mlgit apply plan.json
    mlgit plan --ref origin/main --detailed-exitcode
    """
    cache = _open_plan_cache()
    rendered = cache.find_plan() if cache else None
    if rendered is None:
        return int(importlib.import_module("reconciler.cli._plan").run_plan(options, cache))
    _print_rendered_plan(rendered)
    return EXIT_CHANGES if options["detailed_exitcode"] and rendered.has_changes else 0


def _open_plan_cache() -> RenderedPlanCache | None:
    """Return the cache of printed plans; None if an option other than the default is given."""
    context = click.get_current_context()
    is_default = TARGET_KEY not in context.meta and all(
        context.get_parameter_source(name) is ParameterSource.DEFAULT
        for name in context.params.keys() - _OPTIONS_NOT_IN_CACHE_KEY
    )
    return open_rendered_plan_cache(Path.cwd(), Path(str(click.__file__)).parents[1]) if is_default else None


def _print_rendered_plan(rendered: RenderedPlan) -> None:
    if rendered.diagnostics:
        echo(rendered.diagnostics, err=True)
    print_coloured_lines(rendered.text)
    if rendered.hint:
        echo(rendered.hint)
