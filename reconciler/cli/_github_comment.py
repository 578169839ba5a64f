"""mlgit github comment: the one comment of mlgit on a pull request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from reconciler.cli._github_options import FOLDER_TYPE, make_client
from reconciler.cli.console import echo_line
from reconciler.diagnostics import user_error
from reconciler.github.artifacts import REPORT_FILE, find_run, read_report_of_run
from reconciler.github.client import Client
from reconciler.github.comments import put_comment
from reconciler.github.event import Event, read_event
from reconciler.github.pulls import (
    OutdatedError,
    PullRequest,
    changes_workflows,
    find_current_pull,
    find_merged_pulls,
    find_pull,
    find_pull_of_run,
    is_from_fork,
)
from reconciler.github.result_section import with_result
from reconciler.planning.report import Report
from reconciler.regular_files import read_regular_file
from reconciler.render.markdown_page import COMMENT_LIMIT
from reconciler.render.report_json import parse_report
from reconciler.render.report_markdown import ReportLinks, comment_markdown, comment_marker
from reconciler.render.result_json import parse_result
from reconciler.render.result_markdown import result_markdown

RESULT_FILE = "result.json"
_MAX_BYTES = 64 * 2**20
_REPORT_NAME = re.compile(r"report-(\d+)\.json")
_FORK_NOTE = (
    "This pull request is from a fork. The plan was made by its own workflow run, with the workflows of the base."
)
_FORGEABLE_NOTE = (
    "This pull request is from a fork. It changes workflows, and the plan was made by its own workflow run, so it can "
    "be anything. An apply after the merge does not take it for reviewed."
)


class _Shown(NamedTuple):
    """A pull request, the marker of its comment, and how its text is made of the old one."""

    pull: PullRequest
    marker: str
    make_text: Callable[[str], str]


@click.command("comment")
@click.argument("folder", required=False, type=FOLDER_TYPE, metavar="[DIR]")
@click.option("--run", "run_id", type=int, metavar="RUN_ID", help="Show the report that this workflow run uploaded.")
@click.option("--pull", "number", type=int, metavar="N", help="The pull request; by default, that of the run or event.")
@click.option("--result", "result", type=FOLDER_TYPE, metavar="DIR", help="Show the result of an apply above the plan.")
def command(folder: Path | None, run_id: int | None, number: int | None, result: Path | None) -> None:
    """Write a report, or the result of an apply, into the one comment of mlgit on its pull request.

    The comment is found by its first line and its author. It is edited, and written again if it was deleted; one
    that is up to date is left alone. DIR is what `mlgit ci plan --out` wrote. With --run, the report is the artifact
    mlgit-report of a workflow run, and the pull request is the open one whose head the run is for. A report on a head
    that is not the newest is not shown.

    With --result, DIR of `mlgit ci apply --out` is shown above the plan, in each pull request that the push merged, or
    whose report `mlgit github reviewed --out DIR` wrote.

    The job needs `permissions: pull-requests: write`; with --run also `actions: read`.

    \b
    mlgit github comment report
    mlgit github comment --run 4711
    mlgit github comment --result result
    """
    if run_id is not None and (folder or result):
        raise click.UsageError("--run has its own report: leave out DIR and --result")
    if run_id is None and folder is None and result is None:
        raise click.UsageError("say what to show: DIR, --run RUN_ID or --result DIR")
    client = make_client()
    event = read_event(os.environ)
    try:
        if result is not None:
            shown = _show_result(client, event, result, folder, number)
        elif run_id is not None:
            shown = [_show_run(client, run_id, number)]
        else:
            shown = [_show_folder(client, event, folder or Path(), number)]
    except OutdatedError as error:
        return echo_line(f"Nothing is shown: {error}.")
    if not shown:
        echo_line("Nothing is shown: the commit is the merge of no pull request.")
    for item in shown:
        posted = put_comment(client, item.pull, item.marker, item.make_text)
        echo_line(f"The comment on pull request {item.pull.number} is {posted.verdict}: {posted.url}")
    return None


def _show_run(client: Client, run_id: int, number: int | None) -> _Shown:
    run = find_run(client, run_id)
    pull = find_pull_of_run(client, run, number)
    artifact = read_report_of_run(client, run)
    report = parse_report(REPORT_FILE, artifact.content)
    if is_from_fork(client, pull):
        note = _FORGEABLE_NOTE if changes_workflows(pull) else _FORK_NOTE
        report = replace(report, notes=(note, *report.notes))
    links = ReportLinks(artifact.run_url, artifact.url, f"{client.access.repository_url}/blob/{run.head_sha}")
    return _show_report(pull, report, links)


def _show_folder(client: Client, event: Event, folder: Path, number: int | None) -> _Shown:
    if event.pull is not None and number in (None, event.pull[0]):
        number, head = event.pull
        pull = find_current_pull(client, number, head)
    elif number is not None:
        pull = find_pull(client, number)
    else:
        raise user_error("github-event", "the event is not one of a pull request", "name the pull request with --pull")
    report = parse_report(str(folder / REPORT_FILE), read_regular_file(folder / REPORT_FILE, _MAX_BYTES))
    files = f"{client.access.repository_url}/blob/{pull.head.sha}"
    return _show_report(pull, report, ReportLinks(_run_url(client), "", files))


def _run_url(client: Client) -> str:
    """Return the URL of the workflow run that this job belongs to, "" if unknown."""
    run_id = os.environ.get("GITHUB_RUN_ID", "")
    return f"{client.access.repository_url}/actions/runs/{run_id}" if run_id.isdecimal() else ""


def _show_report(pull: PullRequest, report: Report, links: ReportLinks) -> _Shown:
    return _Shown(pull, comment_marker(report.target), lambda _: comment_markdown(report, links))


def _show_result(client: Client, event: Event, result: Path, reviewed: Path | None, number: int | None) -> list[_Shown]:
    path = result / RESULT_FILE
    report = parse_result(str(path), read_regular_file(path, _MAX_BYTES))
    marker, text = comment_marker(report.target), result_markdown(report, _run_url(client))
    return [
        _Shown(pull, marker, lambda old: with_result(old, marker, text, COMMENT_LIMIT))
        for pull in _find_pulls_of_result(client, event.pushed_commits(report.commit), reviewed, number)
    ]


def _find_pulls_of_result(
    client: Client, commits: Iterable[str], reviewed: Path | None, number: int | None
) -> Iterable[PullRequest]:
    if number is not None:
        return [find_pull(client, number)]
    if reviewed is not None:
        names = (_REPORT_NAME.fullmatch(path.name) for path in reviewed.iterdir())
        return [find_pull(client, number) for number in sorted(int(name[1]) for name in names if name)]
    return find_merged_pulls(client, commits)
