"""Severity overrides: ``rules:`` of mlgit.yml applied to diagnostics."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.severity import OVERRIDABLE_CODES, apply_severity_overrides

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_an_override_changes_the_severity_of_its_code_only(level):
    diagnostics = [Diagnostic("zone-unknown", "x"), Diagnostic("wrong-type", "y")]
    first, second = apply_severity_overrides(diagnostics, {"zone-unknown": level})
    assert (first.severity, second) == (Severity(level), diagnostics[1])


def test_a_code_that_is_off_is_left_out():
    assert apply_severity_overrides([Diagnostic("zone-unknown", "x")], {"zone-unknown": "off"}) == ()


def test_without_overrides_nothing_changes():
    diagnostics = (Diagnostic("zone-unknown", "x"),)
    assert apply_severity_overrides(diagnostics, {}) == diagnostics


def test_a_code_that_is_not_a_rule_keeps_its_severity():
    diagnostics = (Diagnostic("yaml-syntax", "x"),)
    assert apply_severity_overrides(diagnostics, {"yaml-syntax": "off"}) == diagnostics


@pytest.mark.parametrize("code", sorted(OVERRIDABLE_CODES))
def test_every_overridable_rule_is_documented_with_its_reason(code):
    assert f"| `{code}` |" in (DOCS / "format.md").read_text("utf-8")
