from __future__ import annotations

import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span, UserError, has_errors, user_error


def test_a_diagnostic_reads_as_editors_expect_it():
    found = Diagnostic("c", "this is wrong", Span("a/b.yml", 3, 7), "do that")
    assert str(found) == "a/b.yml:3:7: error: this is wrong (do that)"
    assert str(Diagnostic("c", "wrong", severity=Severity.WARNING)) == "warning: wrong"


def test_a_failure_is_one_diagnostic_ready_to_raise():
    with pytest.raises(UserError, match=r"a.yml:1:1: error: message \(hint\)") as raised:
        raise user_error("code", "message", "hint", Span("a.yml"))
    assert raised.value.diagnostics == (Diagnostic("code", "message", Span("a.yml"), "hint"),)


def test_an_error_of_many_diagnostics_tells_them_all():
    error = UserError(Diagnostic("a", "one"), Diagnostic("b", "two"))
    assert str(error) == "error: one\nerror: two"


def test_places_are_in_the_order_in_which_one_reads():
    spans = [Span("b"), Span("a", 2, 1), Span("a", 1, 9), Span("a", 1, 10)]
    assert [str(span) for span in sorted(spans)] == ["a:1:9", "a:1:10", "a:2:1", "b:1:1"]


@pytest.mark.parametrize(("severity", "stops"), [("error", True), ("warning", False), ("note", False)])
def test_only_an_error_stops_a_command(severity, stops):
    assert has_errors([Diagnostic("c", "m", severity=Severity(severity))]) is stops
    assert not has_errors([])
