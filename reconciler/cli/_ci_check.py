"""mlgit ci check: whether a plan of this commit decides what was reviewed."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli._ci_reports import open_reports, reports_argument
from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.console import echo_line
from reconciler.cli.options import guard_options, target_option
from reconciler.cli.session import open_current_session
from reconciler.planning.reviewed import compare_with_reports
from reconciler.project.plan import make_plan
from reconciler.project.review import explain_differences, review_error, reviewed_options


@click.command("check")
@reports_argument
@click.option("--ref", "revision", default="HEAD", metavar="REV", help="The commit to plan; HEAD by default.")
@guard_options
@target_option
def command(paths: tuple[Path, ...], revision: str, *, allow_submit: int | None, allow_mass_delete: bool) -> int:
    """Plan again, and compare the decisions with those of reviewed reports.

    REPORT is a report.json of `mlgit ci plan`, or a folder with such files. The exit code is 0 if each decision of the
    plan is in a report, and each decision that a report brings is in the plan, done, or waits for a run; else 1, and
    what differs is said. Nothing is changed. A merge queue finds out so before the merge what `mlgit ci apply` would
    stop at after it.

    \b
    mlgit ci check report/report.json
    mlgit ci check reports
    """
    session = open_current_session(revision)
    reports = open_reports(session, paths)
    plan_options = read_plan_options(session.config, allow_submit=allow_submit, allow_mass_delete=allow_mass_delete)
    state = session.fetch_and_read_state()
    plan, _ = make_plan(session, state, reviewed_options(reports, plan_options), refresh=False)
    comparison = compare_with_reports(plan, reports, state)
    if comparison.differences:
        raise review_error(explain_differences(session, state, reports, comparison.differences))
    count = pluralize(len(plan.decisions), "decision")
    echo_line(f"As reviewed: {count}." if plan.decisions else "Nothing to decide: what was reviewed is done, or waits.")
    return 0
