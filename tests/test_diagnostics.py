from __future__ import annotations

import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span, UserError, has_errors, user_error

pytestmark = pytest.mark.fast


def test_a_diagnostic_is_printed_in_the_form_that_editors_parse():
    diagnostic = Diagnostic("c", "this is wrong", Span("a/b.yml", 3, 7), "do that")
    assert str(diagnostic) == "a/b.yml:3:7: error: this is wrong (do that)"
    assert str(Diagnostic("c", "wrong", severity=Severity.WARNING)) == "warning: wrong"


def test_a_user_error_has_one_diagnostic():
    with pytest.raises(UserError, match=r"a.yml:1:1: error: message \(hint\)") as raised:
        raise user_error("code", "message", "hint", Span("a.yml"))
    assert raised.value.diagnostics == (Diagnostic("code", "message", Span("a.yml"), "hint"),)


def test_bytes_of_a_name_that_are_no_text_are_signs_in_the_message_of_an_error():
    (diagnostic,) = user_error("code", "'a\udcffb\ud800' is no file").diagnostics
    assert diagnostic.message == "'a\\xffb\\ud800' is no file"


def test_an_error_prints_all_its_diagnostics():
    error = UserError(Diagnostic("a", "one"), Diagnostic("b", "two"))
    assert str(error) == "error: one\nerror: two"


def test_spans_are_sorted_by_path_line_and_column():
    spans = [Span("b"), Span("a", 2, 1), Span("a", 1, 9), Span("a", 1, 10)]
    assert [str(span) for span in sorted(spans)] == ["a:1:9", "a:1:10", "a:2:1", "b:1:1"]


@pytest.mark.parametrize(("severity", "stops"), [("error", True), ("warning", False), ("note", False)])
def test_only_an_error_stops_a_command(severity, stops):
    assert has_errors([Diagnostic("c", "m", severity=Severity(severity))]) is stops
    assert not has_errors([])
