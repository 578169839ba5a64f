"""Diagnostics as text: the source line and the aligned caret, for any characters in the line."""

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
from reconciler.render.sanitize import sanitize_line
from reconciler.render.text import format_diagnostics


def frame_lines(line: str, column: int) -> list[str]:
    """Return the source line and the caret line of a diagnostic at a column of a line."""
    diagnostic = Diagnostic("a-b", "wrong", Span("a.yml", 1, column))
    lines = format_diagnostics([diagnostic], lambda _path: [line]).split("\n")
    assert lines[0] == f"a.yml:1:{column}: error: wrong [a-b]"
    return lines[1:]


def character_above_caret(line: str, column: int) -> str:
    """Return the character above the caret; wide characters take two columns and combining marks none."""
    text, caret = frame_lines(line, column)
    caret_column = caret.index("^")
    display_column = 0
    for character in text:
        if display_column == caret_column and unicodedata.category(character) not in {"Mn", "Me", "Cf"}:
            return character
        display_column += 0 if unicodedata.category(character) in {"Mn", "Me", "Cf"} else 1
        display_column += unicodedata.east_asian_width(character) in {"W", "F"}
    return ""


def test_a_diagnostic_shows_its_line_a_caret_and_its_help():
    diagnostic = Diagnostic("unknown-field", "unknown field comand", Span("a.yml", 2, 1), "did you mean command?")
    assert format_diagnostics([diagnostic], lambda _path: ["name: x", "comand: y"]) == (
        "a.yml:2:1: error: unknown field comand [unknown-field]\n"
        "  2 | comand: y\n"
        "    | ^\n"
        "  help: did you mean command?"
    )


def test_a_diagnostic_without_a_file_shows_only_its_message():
    assert format_diagnostics([Diagnostic("a-b", "wrong", severity=Severity.WARNING)]) == "warning: wrong [a-b]"


@pytest.mark.parametrize("line", [0, 2, 99])
def test_a_line_outside_the_file_is_not_shown(line):
    diagnostic = Diagnostic("a-b", "wrong", Span("a.yml", line, 1))
    assert "\n" not in format_diagnostics([diagnostic], lambda _path: ["only"])


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
def test_the_caret_is_under_the_column(line, column):
    assert line[column - 1] == "X"
    assert character_above_caret(line, column) == "X"


def test_tabs_are_expanded_to_spaces():
    assert frame_lines("a\tb", 3) == ["  1 | a   b", "    |     ^"]


def test_a_column_after_the_end_of_the_line_is_shown_at_the_end():
    assert frame_lines("name:", 99) == ["  1 | name:", "    |      ^"]


def test_a_long_line_is_cut_around_the_caret():
    line = "command: " + "a " * 500 + "X" + " b" * 500
    text, caret = frame_lines(line, line.index("X") + 1)
    assert len(text) < 110
    assert text.startswith("  1 | …")
    assert text.endswith("…")
    assert text[caret.index("^")] == "X"


def test_a_long_line_is_cut_only_at_its_end_if_the_caret_is_near_its_start():
    text, caret = frame_lines("X" + "a" * 500, 1)
    assert text.startswith("  1 | Xa")
    assert text.endswith("a…")
    assert caret == "    | ^"


def test_a_line_of_a_megabyte_is_cut():
    assert len(frame_lines("x" * 1_000_000, 500_000)[0]) < 110


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e", "\u2066", "\u200f"])
def test_control_characters_are_shown_as_signs(character):
    diagnostic = Diagnostic("a-b", f"{character} is wrong", Span("a.yml", 1, 1), f"not {character}")
    text = format_diagnostics([diagnostic], lambda _path: [f"name: {character}[2J"])
    assert character not in text
    assert text.count(sanitize_line(character)) == 3
    assert sanitize_line(character).startswith("\\")


@given(st.text(max_size=300).map(lambda text: "".join(text.splitlines())), st.integers(1, 400))
def test_every_line_is_followed_by_one_line_with_one_caret(line, column):
    text, caret = frame_lines(line, column)
    assert set(caret.replace("1", "")) <= {" ", "|", "^"}
    assert caret.count("^") == 1
    assert len(text) < 320


def test_the_json_of_a_validation_matches_its_schema():
    schema = bundle_schema(schema_id("diagnostics"), load_schemas())
    diagnostics = [
        Diagnostic("unknown-field", "unknown field x", Span("a.yml", 2, 1), "did you mean y?"),
        Diagnostic("reference-dangling", "m", Span("b.yml"), severity=Severity.WARNING),
        Diagnostic("files-wrong", "m", severity=Severity.NOTE),
    ]
    validator = Draft202012Validator(schema)
    document = plan_json.diagnostics_to_json(diagnostics, 2)
    assert list(validator.iter_errors(document)) == []
    assert validator.is_valid(plan_json.diagnostics_to_json([], 0))
    assert not validator.is_valid({"files": 1})
    for field in ("path", "code", "severity"):
        broken = {**document["diagnostics"][0], field: None}
        assert not validator.is_valid({"files": 1, "diagnostics": [broken]})
