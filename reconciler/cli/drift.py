"""mlgit drift: compare what the providers report with the live state; changes nothing."""

from __future__ import annotations

import click

from reconciler.cli.console import echo, print_coloured_lines
from reconciler.cli.options import EXIT_CHANGES, format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.project.drift import observe_drift
from reconciler.render.drift import drift_to_json, format_drift
from reconciler.render.plan_json import dump_json


@click.command("drift")
@click.option("--deep", is_flag=True, help="Verify the content of the store, not only its presence.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there is drift.")
@format_option
@target_option
def command(form: str, *, deep: bool, detailed_exitcode: bool) -> int:
    """Compare runs, the store and environments with the live state.

    Nothing is changed or planned: what is declared but not applied yet is not drift. `drift:` in mlgit.yml sets what
    apply does about drift, for each kind or address: repair, warn, write-back or ignore.

    \b
    mlgit drift
    mlgit drift --deep --detailed-exitcode --format json
    """
    report = observe_drift(open_current_session(), deep=deep).report
    if form == "json":
        echo(dump_json(drift_to_json(report)))
    else:
        print_coloured_lines(format_drift(report))
    return EXIT_CHANGES if detailed_exitcode and report.counted else 0
