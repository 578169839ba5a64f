"""mlgit github reviewed: the reports of the pull requests that a push or a merge group brings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import click

from reconciler.cli._github_options import check_commit, make_client
from reconciler.cli.console import echo_line
from reconciler.diagnostics import user_error
from reconciler.github.artifacts import read_reviewed_report
from reconciler.github.client import Client
from reconciler.github.event import Event, read_event
from reconciler.github.pulls import PullRequest, changes_workflows, find_merged_pulls, find_pull, is_from_fork
from reconciler.render.report_json import parse_report

_OUT_TYPE = click.Path(path_type=Path, file_okay=False)
# OWNER/NAME/.github/workflows/FILE@REF: the workflow that is running
_WORKFLOW_REF = re.compile(r"[^/]+/[^/]+/(\.github/workflows/[^@]+)@.*")
_APPLY_BY_HAND = "look at `mlgit plan`, then apply by hand: `mlgit apply`"


@click.command("reviewed")
@click.option("--commit", required=True, metavar="SHA", callback=check_commit, help="The commit that was pushed.")
@click.option("--out", "folder", type=_OUT_TYPE, required=True, metavar="DIR", help="Write the reports here.")
@click.option(
    "--workflow", metavar="PATH", default="", help="The workflow that planned; by default, the one that runs."
)
def command(commit: str, folder: Path, workflow: str) -> None:
    """Download the reports that were reviewed, for `mlgit ci check` and `mlgit ci apply`.

    They are those of the pull requests that a push merges or, in a merge queue, of the one that its commit is for: of
    each, the newest artifact mlgit-report that the workflow has uploaded for its head commit. That of a fork which
    changes workflows does not count. DIR gets report-NUMBER.json for each; the paths are printed.

    The job needs `permissions: actions: read` and `pull-requests: read`.

    \b
    mlgit github reviewed --commit "$GITHUB_SHA" --out reviewed
    mlgit ci apply reviewed --out result
    """
    workflow = workflow or _running_workflow()
    client = make_client()
    pulls = _find_pulls(client, read_event(os.environ), commit)
    if not pulls:
        return echo_line(f"Commit {commit[:10]} is the merge of no pull request: nothing was reviewed.", err=True)
    folder.mkdir(parents=True, exist_ok=True)
    for pull in pulls:
        if is_from_fork(client, pull) and changes_workflows(pull):
            message = f"pull request {pull.number} is from a fork and changes workflows: its report can be anything"
            raise user_error("github-artifact", message, _APPLY_BY_HAND)
        report = read_reviewed_report(client, pull, workflow)
        path = folder / f"report-{pull.number}.json"
        parse_report(f"the report of pull request {pull.number}", report.content)
        path.write_bytes(report.content)
        echo_line(str(path))
    return None


def _find_pulls(client: Client, event: Event, commit: str) -> Iterable[PullRequest]:
    if event.queued_pull is not None:
        return [find_pull(client, event.queued_pull)]
    return find_merged_pulls(client, event.pushed_commits(commit))


def _running_workflow() -> str:
    found = _WORKFLOW_REF.fullmatch(os.environ.get("GITHUB_WORKFLOW_REF", ""))
    if not found:
        message = "GITHUB_WORKFLOW_REF does not say which workflow plans pull requests"
        raise user_error("github-event", message, "name its file: --workflow .github/workflows/mlgit.yml")
    return found[1]
