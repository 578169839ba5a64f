"""Render drift as Markdown: the text of the issue on it, and of the pull request that writes it into Git."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

from reconciler.abbreviation import abbreviate_id, abbreviate_text, join_some, pluralize
from reconciler.model import Json
from reconciler.planning.drift import Drift
from reconciler.planning.drift_report import DriftReport, target_label
from reconciler.planning.write_back import FileChange, WriteBack
from reconciler.render.markdown_page import COMMENT_LIMIT, Section, fit_page
from reconciler.render.markdown_text import code_span, escape_markdown, table_header, table_row
from reconciler.render.sanitize import sanitize_line

WRITE_BACK_FORMAT = 1
_MAX_TITLE_LENGTH, _DIGEST_LENGTH = 200, 16
_ELSEWHERE = "that `mlgit drift` shows"
# What is worst comes first, and is cut off last.
_WORST_FIRST = (
    "store-gone",
    "resource-failed",
    "resource-refused",
    "resource-gone",
    "resource-changed",
    "content-gone",
    "content-changed",
    "data-gone",
    "data-changed",
    "run-lost",
    "backend-gone",
    "undeclared",
)
_ISSUE_FOOT = (
    "<sub>Each check rewrites this text, and closes the issue when the drift is gone. `drift:` in mlgit.yml says what "
    "is done about drift, for each kind or address: `repair`, `warn`, `write-back` or `ignore`.</sub>"
)
_WRITE_BACK_TEXT = (
    "What is live differs from what Git declares, and mlgit.yml has `drift: write-back` for it: apply leaves it as it "
    "is. When this is merged, Git declares what is live, and apply has nothing to do about it.\n\n"
    "To make it again as Git declares it, close this pull request and write `drift: repair`."
)


def issue_markdown(report: DriftReport, write_back: WriteBack, commit: str, limit: int = COMMENT_LIMIT) -> str:
    """Return the text of the issue on the drift of a target; the least important is cut off, and counted."""
    head = [f"<!-- mlgit drift {report.target} -->", f"### {_heading(report.target)}{_verdict(report)}"]
    if written := sum(drift.address in write_back.addresses for drift in report.counted):
        is_are = "is" if written == 1 else "are"
        head.append(f"{pluralize(written, 'thing')} of that {is_are} written into Git by a pull request.")
    drifts = sorted(report.counted, key=lambda drift: _rank(drift.drift_type))
    sections = (
        Section(
            "",
            tuple(_drift_row(drift, write_back) for drift in drifts),
            noun="drifted asset",
            lead=table_header("what", "differs", "what to do"),
            share=0.7,
        ),
        Section("Could not be asked", tuple(_list_items(report.notes)), noun="check", rank=1, share=0.2),
        Section(
            "Missing on the machine that looked, where it may never have been",
            tuple(_list_items(map(str, (drift for drift in report.drift if drift.local)))),
            noun="thing",
            rank=2,
            unfolded=0,
        ),
    )
    foot = [f"Compared with commit {code_span(abbreviate_id(commit))}.", _ISSUE_FOOT]
    return fit_page(head, sections, foot, limit, _ELSEWHERE) + "\n"


def _heading(target: str) -> str:
    label = target_label(target)
    return f"Target {escape_markdown(label)}: " if label else ""


def _verdict(report: DriftReport) -> str:
    unknown = "" if report.is_complete else ", and not everything could be asked"
    if report.counted:
        is_are = "is" if len(report.counted) == 1 else "are"
        return f"{pluralize(len(report.counted), 'thing')} {is_are} not as recorded{unknown}"
    return "No drift" if report.is_complete else "Not known: not everything could be asked"


def _rank(drift_type: str) -> int:
    return _WORST_FIRST.index(drift_type) if drift_type in _WORST_FIRST else len(_WORST_FIRST)


def _drift_row(drift: Drift, write_back: WriteBack) -> str:
    remedy = drift.remedy
    if drift.address in write_back.addresses:
        files = [change.path for change in write_back.changes if change.address == drift.address]
        remedy = f"merge the pull request that changes {join_some(files)}"
    for unwritten in write_back.unwritten:
        if unwritten.address == drift.address:
            remedy = f"not written into Git: {unwritten.reason}"
    return table_row(code_span(drift.subject), escape_markdown(drift.message), escape_markdown(remedy))


def _list_items(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    yield from (f"- {escape_markdown(line)}" for line in lines)


def write_back_title(target: str, write_back: WriteBack) -> str:
    """Return the title of the pull request, which is the subject of its commit."""
    names = join_some(sorted(map(str, write_back.addresses)))
    of_target = f" of target {label}" if (label := target_label(target)) else ""
    title = f"Write what is live{of_target} into Git: {names}"
    return abbreviate_text(sanitize_line(title))[:_MAX_TITLE_LENGTH]


def write_back_markdown(target: str, write_back: WriteBack, limit: int = COMMENT_LIMIT) -> str:
    """Return the text of the pull request that writes drift into Git.

    Its first line has a digest of the changes, by which one that was closed is known again.
    """
    verdict = f"{pluralize(len(write_back.changes), 'file')} changed to match what is live"
    marker = f"<!-- mlgit write-back {target} {_content_digest(write_back)} -->"
    head = [marker, f"### {_heading(target)}{verdict}", _WRITE_BACK_TEXT]
    sections = (
        Section(
            "",
            tuple(map(_change_row, write_back.changes)),
            noun="file",
            lead=table_header("file", "asset", "change"),
            share=0.6,
        ),
        Section(
            "To look at",
            tuple(_list_items(f"{change.path}: {note}" for change in write_back.changes for note in change.notes)),
            noun="note",
            rank=1,
        ),
        Section(
            "Not written",
            tuple(_list_items(f"{unwritten.address}: {unwritten.reason}" for unwritten in write_back.unwritten)),
            noun="asset",
            rank=2,
        ),
    )
    return fit_page(head, sections, [], limit, "that `mlgit ci drift --write` names") + "\n"


def _content_digest(write_back: WriteBack) -> str:
    changes = [[change.path, change.content] for change in sorted(write_back.changes, key=lambda change: change.path)]
    return hashlib.sha256(json.dumps(changes).encode()).hexdigest()[:_DIGEST_LENGTH]


def _change_row(change: FileChange) -> str:
    return table_row(code_span(change.path), code_span(str(change.address)), escape_markdown(change.summary))


def write_back_to_json(target: str, commit: str, root: str, write_back: WriteBack) -> Json:
    """Return a write-back as one document; ``root`` is the folder of the workspace in the repository, as ``a/b/``."""
    return {
        "format": WRITE_BACK_FORMAT,
        "target": target,
        "commit": commit,
        "title": write_back_title(target, write_back),
        "body": write_back_markdown(target, write_back),
        "files": [{"path": f"{root}{change.path}", "content": change.content} for change in write_back.changes],
    }
