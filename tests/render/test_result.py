"""The report on an apply as JSON and as Markdown, whatever texts of others are in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.planning.apply_report import (
    AppliedRun,
    AppliedVersion,
    ApplyReport,
    ApplyVerdict,
    Failure,
    ReviewDifference,
    Waiting,
)
from reconciler.render.result_json import dump_result, parse_result
from reconciler.render.result_markdown import RESULT_LIMIT, result_markdown

DONE = ["submitted", "adopted", "recorded", "canceled"]
COMMIT = "1a2b3c4d5e" * 4
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["<!-- x -->", "@team", "a | b", "`", "\n::error::x", "[a](http://b)", "\u202e", "<img src=x>", "x" * 5000]
)


@st.composite
def reports(draw: st.DrawFn) -> ApplyReport:
    """Draw a report on an apply."""

    def several(kind: Any) -> tuple[Any, ...]:
        rows = draw(st.lists(st.tuples(*[TEXTS] * len(kind._fields)), max_size=4))
        return tuple(kind(*row) for row in rows)

    return ApplyReport(
        COMMIT,
        draw(st.sampled_from(list(ApplyVerdict))),
        versions=several(AppliedVersion),
        runs=tuple(run._replace(done=draw(st.sampled_from(DONE))) for run in several(AppliedRun)),
        changes=tuple(draw(st.lists(TEXTS, max_size=3))),
        failures=several(Failure),
        waiting=several(Waiting),
        differences=several(ReviewDifference),
        errors=tuple(Diagnostic("a-b", f"x{text}") for text in draw(st.lists(TEXTS, max_size=2))),
        notes=tuple(draw(st.lists(TEXTS, max_size=2))),
    )


@settings(max_examples=60, deadline=None)
@given(reports())
def test_a_result_is_read_back_as_it_was_written_and_its_markdown_is_ours(report):
    raw = dump_result(report).encode()
    assert raw.isascii()
    again = parse_result("result.json", raw)
    assert dump_result(again).encode() == raw
    markdown = result_markdown(again)
    assert markdown.startswith("### ")
    assert len(markdown.encode()) <= RESULT_LIMIT
    assert "\n::" not in markdown
    assert "\u202e" not in markdown


def test_of_thousands_of_rows_those_that_went_wrong_are_shown():
    runs = tuple(AppliedRun(f"job-{number}", f"run-{number}", "completed", "submitted") for number in range(5000))
    failed = AppliedRun("bad", "bad-1", "failed", "submitted", message="exit code 3")
    markdown = result_markdown(ApplyReport(COMMIT, ApplyVerdict.FAILED, runs=(*runs, failed)))
    assert len(markdown.encode()) <= RESULT_LIMIT
    assert "exit code 3" in markdown.partition("job-0")[0]
    assert "more rows in result.json" in markdown


@pytest.mark.parametrize("raw", [b"", b"[" * 100_000, b"{}", b'{"format": 2}', b"\xff"])
def test_what_is_no_result_is_refused(raw):
    with pytest.raises(UserError) as error:
        parse_result("result.json", raw)
    assert error.value.diagnostics[0].code == "result-file"
