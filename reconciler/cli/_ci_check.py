"""mlgit ci check: whether a plan of this commit decides what was reviewed."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli._ci_reports import open_reports, reports_argument
from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.console import echo_line
from reconciler.cli.options import guard_options, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import UserError, has_errors
from reconciler.planning.reviewed import compare_with_reports
from reconciler.project.base_revision import find_base
from reconciler.project.plan import make_plan
from reconciler.project.policy_files import report_policies
from reconciler.project.reported_pending import drop_false_pending
from reconciler.project.review import explain_differences, pending_on_base, review_error, reviewed_options
from reconciler.project.session import Session


@click.command("check")
@reports_argument
@click.option(
    "--base", default="", metavar="REV", help="What is pending on this commit needs no report; by default, as CI says."
)
@click.option("--ref", "revision", default="HEAD", metavar="REV", help="The commit to plan; HEAD by default.")
@guard_options
@target_option
def command(
    paths: tuple[Path, ...], base: str, revision: str, *, allow_submit: int | None, allow_mass_delete: bool
) -> int:
    """Plan again, and compare the decisions with those of reviewed reports.

    REPORT is a report.json of `mlgit ci plan`, or a folder with such files. The exit code is 0 if each decision of the
    plan is in a report, each decision that a report brings is in the plan, done, or waits for a run, and the policies
    allow the plan; else 1, and what differs is said. Nothing is changed. A merge queue finds out so before the merge
    what `mlgit ci apply` would stop at after it. What is pending on the base is of changes that are merged before this
    one, and not compared.

    \b
    mlgit ci check report/report.json
    mlgit ci check reports
    """
    session = open_current_session(revision)
    reports = open_reports(session, paths)
    plan_options = read_plan_options(session.config, allow_submit=allow_submit, allow_mass_delete=allow_mass_delete)
    state = session.fetch_and_read_state()
    plan, _ = make_plan(session, state, reviewed_options(reports, plan_options), refresh=False)
    reports = drop_false_pending(session, state, plan, reports)
    base = _find_base(session, base)
    pending = pending_on_base(session, state, plan, base) if base else frozenset()
    comparison = compare_with_reports(plan, reports, state, pending)
    if comparison.differences:
        raise review_error(explain_differences(session, state, reports, comparison.differences))
    if plan.decisions and has_errors(report_policies(session, plan, plan_options, state)):
        return 1
    count = pluralize(len(comparison.approved), "decision")
    done = "Nothing to decide: what was reviewed is done, or waits."
    echo_line(f"As reviewed: {count}." if comparison.approved else done)
    return 0


def _find_base(session: Session, base: str) -> str:
    """Return the base commit; "" if none is given, and CI names none."""
    try:
        return find_base(session.workspace.repository, session.source.commit, base, os.environ)
    except UserError:
        if base:
            raise
        return ""
