"""A diagnostic as people see it: the line, and the caret under the place, whatever the line is made of."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.schema_bundle import bundle_schema
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.render import plan_json
from reconciler.render.text import format_diagnostics


def shown(line: str, column: int) -> list[str]:
    """Return what is shown of a line with a diagnostic at a column: the line, and the one with the caret."""
    found = Diagnostic("a-b", "wrong", Span("a.yml", 1, column))
    lines = format_diagnostics([found], lambda _path: [line]).split("\n")
    assert lines[0] == f"a.yml:1:{column}: error: wrong [a-b]"
    return lines[1:]


def under(line: str, column: int) -> str:
    """Return the text above the caret, on a terminal where wide letters take two columns and marks none."""
    text, caret = shown(line, column)
    at = caret.index("^")
    seen = 0
    for letter in text:
        if seen == at and unicodedata.category(letter) not in {"Mn", "Me", "Cf"}:
            return letter
        seen += 0 if unicodedata.category(letter) in {"Mn", "Me", "Cf"} else 1
        seen += unicodedata.east_asian_width(letter) in {"W", "F"}
    return ""


def test_a_diagnostic_shows_its_line_a_caret_and_its_help():
    found = Diagnostic("unknown-field", "unknown field comand", Span("a.yml", 2, 1), "did you mean command?")
    assert format_diagnostics([found], lambda _path: ["name: x", "comand: y"]) == (
        "a.yml:2:1: error: unknown field comand [unknown-field]\n"
        "  2 | comand: y\n"
        "    | ^\n"
        "  help: did you mean command?"
    )


def test_a_diagnostic_without_a_file_is_its_message():
    assert format_diagnostics([Diagnostic("a-b", "wrong", severity=Severity.WARNING)]) == "warning: wrong [a-b]"


@pytest.mark.parametrize("line", [0, 2, 99])
def test_a_line_that_is_not_there_is_not_shown(line):
    found = Diagnostic("a-b", "wrong", Span("a.yml", line, 1))
    assert "\n" not in format_diagnostics([found], lambda _path: ["only"])


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("a: X", 4),
        ("\ta:\tX", 5),
        ("  \tX", 4),
        ("名前: X", 5),
        ("\uff46\uff55: X", 5),
        ("e\u0301: X", 5),
        ("👍🏽: X", 5),
    ],
)
def test_the_caret_stands_under_the_place(line, column):
    assert line[column - 1] == "X"
    assert under(line, column) == "X"


def test_tabs_are_shown_as_the_spaces_they_look_like():
    assert shown("a\tb", 3) == ["  1 | a   b", "    |     ^"]


def test_a_place_behind_the_end_is_at_the_end():
    assert shown("name:", 99) == ["  1 | name:", "    |      ^"]


def test_a_long_line_is_cut_around_the_place():
    line = "command: " + "a " * 500 + "X" + " b" * 500
    text, caret = shown(line, line.index("X") + 1)
    assert len(text) < 110
    assert text.startswith("  1 | …")
    assert text.endswith("…")
    assert text[caret.index("^")] == "X"


def test_a_long_line_is_cut_at_its_end_only_where_the_place_is_near_its_beginning():
    text, caret = shown("X" + "a" * 500, 1)
    assert text.startswith("  1 | Xa")
    assert text.endswith("a…")
    assert caret == "    | ^"


def test_a_megabyte_in_a_line_is_cut_too():
    assert len(shown("x" * 1_000_000, 500_000)[0]) < 110


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e", "\u2066", "\u200f"])
def test_what_a_terminal_would_obey_is_shown_as_a_sign(sign):
    found = Diagnostic("a-b", f"{sign} is wrong", Span("a.yml", 1, 1), f"not {sign}")
    text = format_diagnostics([found], lambda _path: [f"name: {sign}[2J"])
    assert sign not in text
    assert text.count("\ufffd") == 3


@given(st.text(max_size=300).map(lambda text: "".join(text.splitlines())), st.integers(1, 400))
def test_the_caret_is_always_one_line_under_one_line(line, column):
    text, caret = shown(line, column)
    assert set(caret.replace("1", "")) <= {" ", "|", "^"}
    assert caret.count("^") == 1
    assert len(text) < 320


def test_the_json_of_a_validation_is_what_its_schema_says():
    schema = bundle_schema(schema_id("diagnostics"), load_schemas())
    found = [
        Diagnostic("unknown-field", "unknown field x", Span("a.yml", 2, 1), "did you mean y?"),
        Diagnostic("reference-dangling", "m", Span("b.yml"), severity=Severity.WARNING),
        Diagnostic("files-wrong", "m", severity=Severity.NOTE),
    ]
    validator = Draft202012Validator(schema)
    document = plan_json.diagnostics_to_json(found, 2)
    assert list(validator.iter_errors(document)) == []
    assert validator.is_valid(plan_json.diagnostics_to_json([], 0))
    assert not validator.is_valid({"files": 1})
    for field in ("path", "code", "severity"):
        broken = {**document["diagnostics"][0], field: None}
        assert not validator.is_valid({"files": 1, "diagnostics": [broken]})
