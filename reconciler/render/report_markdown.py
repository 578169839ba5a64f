"""Render a report on a change as Markdown: the sticky comment of a pull request, and the summary of a job.

A report may be a stranger's: whatever it says, the page shows it as text, and nothing in it becomes a link, a mention,
HTML or more of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json, Op
from reconciler.planning.report import Report
from reconciler.render import text
from reconciler.render.markdown_page import COMMENT_LIMIT, Section, fit_page
from reconciler.render.markdown_text import code_span, link
from reconciler.render.plan_sections import (
    PageStyle,
    notes_section,
    pending_action_section,
    plan_sections,
    removal_warning,
)
from reconciler.render.problem_sections import problem_counts, problem_sections

SUMMARY_LIMIT = 1_048_576  # bytes of the summary of a step
_COMMENT_STYLE = PageStyle(12)
_SUMMARY_STYLE = PageStyle(200)


class ReportLinks(NamedTuple):
    """Where more is: the workflow run, its artifact, the files of the commit; "" if unknown.

    They are http or https URLs that the caller made or checked.
    """

    run: str = ""
    artifact: str = ""
    files: str = ""


def comment_marker(target: str) -> str:
    """Return the first line of the comment about a target, by which the comment is found again."""
    return f"<!-- mlgit {target} -->"


def comment_markdown(report: Report, links: ReportLinks, limit: int = COMMENT_LIMIT) -> str:
    """Return the sticky comment of a pull request, within a limit."""
    return _page(report, links, limit, _COMMENT_STYLE, f"{comment_marker(report.target)}\n")


def summary_markdown(report: Report, links: ReportLinks, limit: int = SUMMARY_LIMIT) -> str:
    """Return the summary of a job, within a limit."""
    return _page(report, links, limit, _SUMMARY_STYLE, "")


def _page(report: Report, links: ReportLinks, limit: int, style: PageStyle, marker: str) -> str:
    heading = f"{marker}### {_verdict(report)}"
    sections = _sections(report, links, style)
    return fit_page([heading, *_head_blocks(report)], sections, [_foot(report, links)], limit, _elsewhere(links)) + "\n"


def _sections(report: Report, links: ReportLinks, style: PageStyle) -> Iterator[Section]:
    own, body = report.own_actions, report.plan.body if report.plan else None
    files = f"{links.files.rstrip('/')}/{quote(report.root)}" if links.files and ".." not in report.root else ""
    yield from problem_sections(_problems(report), files, style)
    yield notes_section("About this change", report.notes, style)
    if body:
        yield from plan_sections(own, body, report.forecasts, style)
    yield pending_action_section(report.pending_actions, style)


def _problems(report: Report) -> list[Diagnostic]:
    """Return the diagnostics of a report without the refusals that its plan has with their assets."""
    pending = report.plan.body["pending"] if report.plan else ()
    refused = {
        (item["code"], item["path"], item["line"], item["column"])
        for entry in pending
        for item in entry.get("refusals", ())
    }
    return [item for item in report.diagnostics if _place(item) not in refused]


def _place(diagnostic: Diagnostic) -> tuple[str, str | None, int | None, int | None]:
    span = diagnostic.span
    return (diagnostic.code, span.path, span.line, span.column) if span else (diagnostic.code, None, None, None)


def _verdict(report: Report) -> str:
    """Return the heading: what the change does, or that nothing was planned, and how much is wrong."""
    problems = problem_counts(_problems(report))
    if report.plan is None:
        return f"{report.heading}Nothing was planned{f': {problems}' if problems else ''}"
    counts = _own_counts(report.own_actions, report.plan.body)
    verdict = text.format_verdict(counts)
    if report.pending and not report.own_actions:
        remainder = text.verdict_remainder(counts)
        verdict = f"No changes of its own{f'; {remainder}' if remainder else ''}."
    return f"{report.heading}{verdict}{f' {problems}.' if problems else ''}"


def _own_counts(actions: Sequence[Mapping[str, Json]], body: Mapping[str, Json]) -> dict[str, int]:
    """Return the counts of a verdict, from the actions themselves: what a plan says of itself may be a lie."""
    ops = [action["action"] for action in actions]
    sections = dict(text.pending_sections(body["pending"]))
    refused, waiting, failed = (len(lines) for lines in sections.values())
    removed = ops.count(Op.ARCHIVE) + ops.count(Op.DELETE)
    return {
        "changes": len(ops),
        "submissions": ops.count(Op.SUBMIT),
        "cancels": ops.count(Op.CANCEL),
        "refused": refused,
        "waiting": waiting,
        "failed": failed,
        "drift": len(body["drift"]),
        "left_out": body["summary"].get("left_out", 0),
    } | ({"destroys": removed} if body["options"].get("destroy") else {})


def _head_blocks(report: Report) -> Iterator[str]:
    """Yield what is said below the verdict: what is removed, and that more is pending."""
    yield removal_warning(report.own_actions)
    if number := len(report.pending_actions):
        are = "more change is" if number == 1 else "more changes are"
        yield f"{number:,} {are if report.own_actions else are.removeprefix('more ')} pending on the base already."


def _elsewhere(links: ReportLinks) -> str:
    """Return where all of the report is, as the end of a sentence."""
    if links.artifact:
        return f"in the {link('full plan', links.artifact)}"
    return f"in the artifacts of the {link('workflow run', links.run)}" if links.run else "in `plan.json`"


def _foot(report: Report, links: ReportLinks) -> str:
    """Return the last line: which plan this is, of which commits, and where more is."""
    parts = [f"mlgit plan {code_span(report.plan.digest)}" if report.plan else "mlgit"]
    parts += [f"commit {code_span(abbreviate_id(report.commit))}"] if report.commit else []
    parts += [f"base {code_span(abbreviate_id(report.base))}"] if report.base else []
    parts += [link(label, url) for label, url in (("full plan", links.artifact), ("workflow run", links.run)) if url]
    return f"<sub>{' · '.join(parts)}</sub>"
