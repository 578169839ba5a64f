"""mlgit ci plan: what merging a change would do, as files that other jobs of a CI system read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli._ci_links import links_of_job
from reconciler.cli.console import echo, echo_workflow_commands, print_coloured_lines
from reconciler.cli.options import TARGET_KEY, target_option
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import has_errors
from reconciler.planning.report import Report
from reconciler.planning.saved import dump_plan_file
from reconciler.project.approvals import NO_APPROVALS, read_approvals
from reconciler.project.pull_request import Change, ChangeRequest, make_report, open_change
from reconciler.project.report_files import write_report_files
from reconciler.render.github import worst_to_github
from reconciler.render.report_json import dump_report
from reconciler.render.report_markdown import comment_markdown, summary_markdown
from reconciler.render.report_text import format_report
from reconciler.render.sarif import diagnostics_to_sarif
from reconciler.render.text import format_diagnostics

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False, exists=True)
_FOLDER_TYPE = click.Path(path_type=Path, file_okay=False)


@click.command("plan")
@click.option(
    "--out", "folder", type=_FOLDER_TYPE, required=True, metavar="DIR", help="Write the files of the report here."
)
@click.option(
    "--base", default="", metavar="REV", help="The commit that the change is compared with; its mlgit.yml rules."
)
@click.option("--ref", "revision", default="HEAD", metavar="REV", help="The commit with the change; HEAD by default.")
@click.option(
    "--approvals",
    type=_FILE_TYPE,
    metavar="FILE",
    help="Who approved the head commit (`mlgit github approvals`): waivers that a code owner approved count.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github", "markdown"]),
    default="text",
    help="Output format; github prints annotations too, markdown the comment.",
)
@target_option
def command(folder: Path, base: str, revision: str, approvals: Path | None, form: str) -> int:
    """Report what merging a change would do, and what is pending without it.

    Plans the merge of the change into its base against the live state. The mlgit.yml and the policies of the base rule;
    those of the change are checked, and count once it is merged. Nothing of the repository is executed. Without --base,
    the base is what GitHub or GitLab says or, if HEAD is a merge, its first parent.

    DIR gets report.json, plan.json (for `mlgit apply`), comment.md, summary.md, and results.sarif. The exit code is 1
    if there are errors; the files are written all the same.

    \b
    mlgit ci plan --out report
    mlgit ci plan --base origin/main --out report --format github
    """
    target = click.get_current_context().meta.get(TARGET_KEY, DEFAULT_TARGET)
    request = ChangeRequest(base, revision, target, read_approvals(approvals) if approvals else NO_APPROVALS)
    change = open_change(Path.cwd(), request)
    click.get_current_context().call_on_close(change.workspace.repository.close)
    report = make_report(change, request)
    files = _report_files(change, report)
    write_report_files(change.workspace.repository, folder, files)
    if form == "markdown":
        echo(files["comment.md"] or "", nl=False)
        return int(has_errors(report.diagnostics))
    if form == "github":
        echo_workflow_commands(worst_to_github(report.diagnostics, change.workspace.root, "results.sarif"))
    elif report.diagnostics:
        echo(format_diagnostics(report.diagnostics, change.read_lines), err=True)
    print_coloured_lines(format_report(report))
    return int(has_errors(report.diagnostics))


def _report_files(change: Change, report: Report) -> Mapping[str, str | None]:
    """Return the files of a report by name; None for the plan if nothing was planned."""
    sarif = diagnostics_to_sarif(report.diagnostics, __version__, change.workspace.root)
    links = links_of_job(os.environ, report.commit)
    return {
        "report.json": dump_report(report),
        "plan.json": dump_plan_file(report.plan) if report.plan else None,
        "results.sarif": json.dumps(sarif, indent=1) + "\n",
        "comment.md": comment_markdown(report, links),
        "summary.md": summary_markdown(report, links),
    }
