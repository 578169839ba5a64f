"""Diagnostics as GitHub workflow commands."""

from __future__ import annotations

import re

import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.render.github import diagnostics_to_github, worst_to_github

pytestmark = pytest.mark.fast


def test_a_diagnostic_is_a_command_with_its_file_line_and_column():
    diagnostic = Diagnostic(
        "unknown-field", "unknown field comand", Span("jobs/train.yml", 3, 5), "did you mean command?"
    )
    assert diagnostics_to_github([diagnostic]) == (
        "::error file=jobs/train.yml,line=3,col=5,title=unknown-field::unknown field comand%0Adid you mean command?"
    )


@pytest.mark.parametrize(
    ("severity", "command"), [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "notice")]
)
def test_the_command_name_follows_the_severity(severity, command):
    assert diagnostics_to_github([Diagnostic("a-b", "m", severity=severity)]) == f"::{command} title=a-b::m"


def test_paths_are_relative_to_the_root_of_the_repository():
    assert "file=ml/iris/a.yml," in diagnostics_to_github([Diagnostic("a-b", "m", Span("a.yml"))], root="ml/iris/")


def parse_command(line: str) -> tuple[dict[str, str], str]:
    """Parse a command as the GitHub runner does: split the properties at commas, then decode the escapes."""
    match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert match, line
    escapes = (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))

    def unescape(text: str) -> str:
        for escape, character in escapes:
            text = text.replace(escape, character)
        return text

    return {name: unescape(value) for name, value in (pair.split("=", 1) for pair in match[2].split(","))}, unescape(
        match[3]
    )


def test_a_file_name_or_a_message_cannot_end_the_command():
    path, message = "a,b:c%0A\n::error::.yml", "100 % wrong\r\n::set-env name=PATH::/tmp"
    line = diagnostics_to_github([Diagnostic("a-b", message, Span(path, 1, 2))])
    assert "\n" not in line
    shown = "100 % wrong\\r\\n::set-env name=PATH::/tmp"  # on one line of the annotation, too
    assert parse_command(line) == ({"file": path, "line": "1", "col": "2", "title": "a-b"}, shown)


def test_no_diagnostics_give_empty_text():
    assert diagnostics_to_github([]) == ""


def test_the_ten_worst_of_each_kind_are_annotations_and_a_last_line_counts_the_others():
    found = [
        Diagnostic("a-b", f"{severity} {number}", Span("a.yml", number), severity=severity)
        for severity, count in ((Severity.NOTE, 3), (Severity.WARNING, 11), (Severity.ERROR, 14))
        for number in range(1, count + 1)
    ]
    everywhere = Diagnostic("a-b", "refers to nothing", Span("z.yml"), places=(Span("y.yml"),))
    lines = worst_to_github([*found, everywhere], "", "results.sarif").splitlines()
    assert "refers to nothing" in lines[0]
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"] * 3 + ["5"]
    assert lines[-1] == "5 more errors, 1 more warning: see results.sarif"


def test_few_annotations_have_no_last_line():
    assert worst_to_github([Diagnostic("a-b", "m")], "", "results.sarif") == "::error title=a-b::m"
    assert worst_to_github([], "", "results.sarif") == ""
