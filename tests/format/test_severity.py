"""Rules of mlgit.yml: what they may lower, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.config.config import parse_config
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.severity import OVERRIDABLE_CODES, apply_severity_overrides
from reconciler.format.yaml import parse_yaml

STATE = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'
DOCS = Path(__file__).parent.parent.parent / "docs"


def config(text: str):
    return parse_config(parse_yaml("mlgit.yml", (STATE + text).encode())[0])


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_a_rule_matters_as_much_as_is_said(level):
    found = [Diagnostic("zone-unknown", "x"), Diagnostic("wrong-type", "y")]
    first, second = apply_severity_overrides(found, {"zone-unknown": level})
    assert (first.severity, second) == (Severity(level), found[1])


def test_a_rule_that_is_off_says_nothing():
    found, problems = config("rules:\n  zone-unknown: off\n")
    assert problems == ()
    assert apply_severity_overrides([Diagnostic("zone-unknown", "x")], found.rules) == ()


def test_without_rules_nothing_changes():
    found = (Diagnostic("zone-unknown", "x"),)
    assert apply_severity_overrides(found, {}) == found


def test_what_nothing_can_go_on_without_cannot_be_lowered():
    _, (problem,) = config("rules:\n  zone-unknown: note\n  yaml-syntax: off\n")
    assert (problem.code, problem.span) == ("rule-fixed", Span("mlgit.yml", 4, 3))
    assert apply_severity_overrides([Diagnostic("yaml-syntax", "x")], {"yaml-syntax": "off"}) == (
        Diagnostic("yaml-syntax", "x"),
    )


def test_a_misspelt_rule_is_shown_with_what_may_be_meant():
    _, (problem,) = config("rules: {zone-unkown: note}\n")
    assert problem.hint == "did you mean zone-unknown?"


@pytest.mark.parametrize("level", ["warn", "1", "[]", "true"])
def test_a_level_there_is_not_is_refused(level):
    found, problems = config(f"rules:\n  zone-unknown: {level}\n")
    assert found is None
    assert problems


@pytest.mark.parametrize("code", sorted(OVERRIDABLE_CODES))
def test_every_rule_that_can_be_lowered_is_in_the_list_with_its_reason(code):
    assert f"| `{code}` |" in (DOCS / "format.md").read_text("utf-8")
