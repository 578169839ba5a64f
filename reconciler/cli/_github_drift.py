"""mlgit github drift: the issue on drift, and the pull request that writes it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click

from reconciler.cli._github_options import FOLDER_TYPE, make_client
from reconciler.cli.console import echo_line
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import UserError, user_error
from reconciler.format.json_text import parse_json
from reconciler.github.comments import Posted
from reconciler.github.issues import close_issues, put_issue
from reconciler.github.write_back import LEFT_CLOSED, WriteBackFiles, close_write_back, put_write_back
from reconciler.model import Json
from reconciler.regular_files import read_regular_file

_MAX_BYTES = 64 * 2**20
_FORMAT = 1
_OPEN, _CLOSE, _KEEP = "open", "close", "keep"
_TARGET = re.compile(r"[\w.-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@click.command("drift")
@click.argument("folder", type=FOLDER_TYPE, metavar="DIR")
def command(folder: Path) -> None:
    """Open, update or close what a team sees of drift: one issue, and one pull request.

    DIR is what `mlgit ci drift --out` wrote. The issue is open while there is drift that no pull request writes back;
    it is closed when the drift is gone. The pull request has the files that then declare what is live; it is closed
    when there is nothing to write. If not everything could be asked, neither is closed.

    The job needs `permissions: issues: write`; to write back, also `contents: write` and `pull-requests: write`.

    \b
    mlgit ci drift --out drift
    mlgit github drift drift
    """
    report = _read_document(folder / "drift.json")
    target, issue = str(report.get("target")), report.get("issue")
    if not _TARGET.fullmatch(target) or issue not in (_OPEN, _CLOSE, _KEEP):
        raise _file_error(folder / "drift.json")
    text = read_regular_file(folder / "issue.md", _MAX_BYTES).decode("utf-8", "replace")
    write_back = _read_write_back(folder / "write-back.json")
    client = make_client()
    pull = put_write_back(client, write_back) if write_back else None
    if write_back is None and report.get("complete") is True:
        pull = close_write_back(client, target)
    if pull is not None:
        _print("pull request", pull)
    # A person did not want the pull request: then the drift is one for the issue.
    if issue == _OPEN or (pull and pull.verdict == LEFT_CLOSED):
        _print("issue", put_issue(client, _title(target), text))
    elif issue == _CLOSE:
        for posted in close_issues(client, text):
            _print("issue", posted)
    else:
        echo_line("It is not known whether there is drift: the issue stays as it is.")


def _print(what: str, posted: Posted) -> None:
    echo_line(f"The {what} on drift is {posted.verdict}: {posted.url}")


def _title(target: str) -> str:
    return "mlgit: drift" if target == DEFAULT_TARGET else f"mlgit: drift of target {target}"


def _read_write_back(path: Path) -> WriteBackFiles | None:
    """Return the files that drift is written back to, None if there are none."""
    if not path.exists():
        return None
    document = _read_document(path)
    names = ("target", "commit", "title", "body")
    target, commit, title, body = texts = [str(document.get(name)) for name in names]
    entries = document.get("files")
    is_format_known = document.get("format") == _FORMAT and texts == [document.get(name) for name in names]
    if not (is_format_known and _TARGET.fullmatch(target) and _COMMIT.fullmatch(commit)):
        raise _file_error(path)
    if not isinstance(entries, list) or not all(map(_is_file_entry, entries)):
        raise _file_error(path)
    return WriteBackFiles(target, commit, title, body, {entry["path"]: entry["content"] for entry in entries})


def _is_file_entry(entry: Json) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and isinstance(entry.get("content", 0), str | None)
    )


def _read_document(path: Path) -> Mapping[str, Json]:
    try:
        document = parse_json(read_regular_file(path, _MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise _file_error(path) from error
    if not isinstance(document, dict):
        raise _file_error(path)
    return document


def _file_error(path: Path) -> UserError:
    return user_error("drift-file", f"{path} is no report on drift", "make one with `mlgit ci drift --out FOLDER`")
