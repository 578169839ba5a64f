"""Render the report on an apply as Markdown: the verdict first, then versions, runs, what failed and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.abbreviation import abbreviate_id, pluralize
from reconciler.planning.apply_report import ApplyReport, ApplyVerdict, Waiting
from reconciler.render.markdown_page import Section, fit_page
from reconciler.render.markdown_text import code_span, escape_markdown, link, table_header, table_row
from reconciler.render.problem_sections import problem_item

RESULT_LIMIT = 20_000  # bytes; the plan is in the same comment
_UNFOLDED = 10


def result_markdown(report: ApplyReport, run_url: str = "", limit: int = RESULT_LIMIT) -> str:
    """Return the report on an apply as Markdown within a limit in bytes; what went wrong is left out last.

    ``run_url`` is that of the workflow run, "" if unknown.
    """
    target = "" if report.is_default_target else f", target {code_span(report.target)}"
    heading = f"### {_verdict(report)} ({code_span(abbreviate_id(report.commit))}{target})"
    foot = [f"<sub>{link('workflow run', run_url)}</sub>"] if run_url else []
    return fit_page([heading], _sections(report), foot, limit, "in result.json") + "\n"


def _sections(report: ApplyReport) -> Iterator[Section]:
    differences = [
        (item.address, item.reviewed or "nothing", item.now or "nothing", item.reason) for item in report.differences
    ]
    yield _table("Not as reviewed", ("asset", "reviewed", "now", "why"), differences, 0)
    if not differences:
        yield _section("Errors", (problem_item(error, "") for error in report.errors), 0)
    yield _list("Failed", (f"{item.action}: {item.message}" for item in report.failures), 1)
    runs = [
        (f"job/{run.job}", run.run, run.status, _what_was_done(run.done, run.origin), run.message)
        for run in sorted(report.runs, key=lambda run: not run.message)
    ]
    yield _table("Runs", ("job", "run", "status", "done", "error"), runs, 2)
    yield _table("Versions", ("asset", "version", "from run"), report.versions, 3)
    yield _list("Waiting", (f"{item.address}: {item.message}" for item in _waiting(report)), 4)
    yield _list("Also done", report.changes, 5)
    yield _list("Notes", report.notes, 6)


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
    runs = [f"{pluralize(number, 'run')} {escape_markdown(word)}" for word, number in by_word.items()]
    others = [pluralize(len(report.changes), "other change")] if report.changes else []
    number_waiting = len(_waiting(report))
    waiting = [f"{pluralize(number_waiting, 'asset')} waiting"] if number_waiting else []
    return ", ".join((*versions, *runs, *others, *waiting))


def _waiting(report: ApplyReport) -> Sequence[Waiting]:
    """Return what waits, without the runs that the table of runs has."""
    jobs = {f"job/{run.job}" for run in report.runs}
    return [item for item in report.waiting if item.address not in jobs]


def _what_was_done(done: str, origin: str) -> str:
    return f"{done}: {origin}" if origin else done


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], rank: int) -> Section:
    """Return a table, its first column as code, without a last column that is empty in each row."""
    if not any(row[-1] for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    lines = tuple(table_row(code_span(row[0]), *map(escape_markdown, row[1:])) for row in rows)
    return Section(title, lines, "row", table_header(*headings), rank=rank, share=0.6, unfolded=_UNFOLDED)


def _list(title: str, items: Iterable[str], rank: int) -> Section:
    return _section(title, (f"- {escape_markdown(item)}" for item in items), rank)


def _section(title: str, items: Iterable[str], rank: int) -> Section:
    return Section(title, tuple(items), "item", rank=rank, share=0.6, unfolded=_UNFOLDED)
