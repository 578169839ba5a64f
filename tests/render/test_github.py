"""Workflow commands as GitHub reads them."""

from __future__ import annotations

import re

import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.render.github import diagnostics_to_github


def test_a_diagnostic_is_a_command_at_its_place():
    found = Diagnostic("unknown-field", "unknown field comand", Span("jobs/train.yml", 3, 5), "did you mean command?")
    assert diagnostics_to_github([found]) == (
        "::error file=jobs/train.yml,line=3,col=5,title=unknown-field::unknown field comand%0Adid you mean command?"
    )


@pytest.mark.parametrize(
    ("severity", "command"), [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "notice")]
)
def test_the_command_is_the_severity(severity, command):
    assert diagnostics_to_github([Diagnostic("a-b", "m", severity=severity)]) == f"::{command} title=a-b::m"


def test_paths_count_from_the_top_of_the_repository():
    assert "file=ml/iris/a.yml," in diagnostics_to_github([Diagnostic("a-b", "m", Span("a.yml"))], root="ml/iris/")


def decoded(line: str) -> tuple[dict[str, str], str]:
    """Read a command as the runner does: properties at commas, then the escapes."""
    found = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert found, line
    marks = (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))

    def plain(text: str) -> str:
        for escape, mark in marks:
            text = text.replace(escape, mark)
        return text

    return {name: plain(value) for name, value in (part.split("=", 1) for part in found[2].split(","))}, plain(found[3])


def test_nothing_in_a_file_name_or_a_message_can_end_the_command():
    path, message = "a,b:c%0A\n::error::.yml", "100 % wrong\r\n::set-env name=PATH::/tmp"
    line = diagnostics_to_github([Diagnostic("a-b", message, Span(path, 1, 2))])
    assert "\n" not in line
    assert decoded(line) == ({"file": path, "line": "1", "col": "2", "title": "a-b"}, message)


def test_nothing_found_is_nothing_written():
    assert diagnostics_to_github([]) == ""
