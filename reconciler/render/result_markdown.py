"""Render the report on an apply as Markdown: the verdict first, then versions, runs, what failed and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.abbreviation import abbreviate_id, pluralize
from reconciler.planning.apply_report import ApplyReport, ApplyVerdict
from reconciler.render.markdown_text import code_span, escape_markdown, table_header, table_row

_MAX_SHOWN = 40  # rows of a table, items of a list: a comment holds 65,536 characters


def result_markdown(report: ApplyReport) -> str:
    """Return the report on an apply as Markdown that fits a comment, together with a report on a change."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: ApplyReport) -> Iterator[str]:
    target = "" if report.is_default_target else f", target {code_span(report.target)}"
    yield f"### {_verdict(report)} ({code_span(abbreviate_id(report.commit))}{target})"
    differences = [
        table_row(*map(escape_markdown, (item.address, item.reviewed or "nothing", item.now or "nothing", item.reason)))
        for item in report.differences
    ]
    yield from _table("Not as reviewed", ("asset", "reviewed", "now", "why"), differences)
    if not differences:
        errors = (f"{error.message} [{error.code}]; {error.hint}".removesuffix("; ") for error in report.errors)
        yield from _list("Errors", errors)
    yield from _list("Failed", (f"{item.action}: {item.message}" for item in report.failures))
    runs = [
        table_row(
            *map(escape_markdown, (run.job, run.run, run.status, _what_was_done(run.done, run.origin), run.message))
        )
        for run in sorted(report.runs, key=lambda run: not run.message)
    ]
    yield from _table("Runs", ("job", "run", "status", "done", "error"), runs)
    versions = [table_row(*map(escape_markdown, item)) for item in report.versions]
    yield from _table("Versions", ("asset", "version", "from run"), versions)
    yield from _list("Also done", report.changes)
    yield from _list("Waiting", (f"{item.address}: {item.message}" for item in report.waiting))
    yield from _list("Notes", report.notes)


def _verdict(report: ApplyReport) -> str:
    """Return the verdict with what was done nevertheless."""
    counts = _join_counts(report)
    done = f"; {counts}" if counts else ""
    return {
        ApplyVerdict.APPLIED: f"Applied{done}",
        ApplyVerdict.NOTHING: f"Nothing to apply{': what was reviewed is done, or waits' if report.reviewed else ''}",
        ApplyVerdict.DIFFERS: f"Not applied: {pluralize(len(report.differences), 'asset')} not as reviewed",
        ApplyVerdict.UNREVIEWED: f"Decisions without a review were not applied{done}",
        ApplyVerdict.REFUSED: "Not applied",
        ApplyVerdict.INTERRUPTED: f"Interrupted; what was done is recorded{done}",
        ApplyVerdict.FAILED: f"Failed{done}",
    }[report.verdict]


def _join_counts(report: ApplyReport) -> str:
    by_word: dict[str, int] = {}
    for run in report.runs:
        by_word[run.done] = by_word.get(run.done, 0) + 1
    versions = [f"{pluralize(len(report.versions), 'version')} registered"] if report.versions else []
    runs = [f"{pluralize(number, 'run')} {word}" for word, number in by_word.items()]
    others = [pluralize(len(report.changes), "other change")] if report.changes else []
    waiting = [f"{pluralize(len(report.waiting), 'asset')} waiting"] if report.waiting else []
    return ", ".join((*versions, *runs, *others, *waiting))


def _what_was_done(done: str, origin: str) -> str:
    return f"{done}: {origin}" if origin else done


def _table(title: str, headings: Sequence[str], rows: Sequence[str]) -> Iterator[str]:
    if rows:
        yield from ("", f"**{title}**", "", table_header(*headings), *rows[:_MAX_SHOWN])
        yield from _more(len(rows))


def _list(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = list(items)
    if lines:
        yield from ("", f"**{title}**", "", *(f"- {escape_markdown(line)}" for line in lines[:_MAX_SHOWN]))
        yield from _more(len(lines))


def _more(number: int) -> Iterator[str]:
    if number > _MAX_SHOWN:
        yield from ("", f"and {number - _MAX_SHOWN:,} more in result.json")
