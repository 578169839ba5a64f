"""Rules take time linear in the size of a file, also for hostile files.

Steps are counted, not seconds: the calls of Python and C functions, and the characters that searches in texts visit.
"""

from __future__ import annotations

import itertools

import pytest
from steps import count_steps

from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import RULE_SETS
from reconciler.format.rules.spec_nodes import as_integer, has_placeholder
from reconciler.format.yaml import parse_yaml

MAX_DIAGNOSTICS = 50  # per rule, as in load.py
TOLERANCE = 1.25  # a quadratic rule takes 4 times the steps for twice the text, not 2


class NoFiles:
    """A file reader without files."""

    def read_file(self, path):
        raise KeyError(path)

    def exists(self, path):
        return False

    def display_path(self, path):
        return path


class CountingText(str):
    """A text that counts the characters that are visited by searches in it."""

    __slots__ = ()
    visited = 0

    def __contains__(self, text):
        return self.find(text) >= 0

    def find(self, text, *bounds):
        match = super().find(text, *bounds)
        start, end = (*bounds, len(self))[:2] if bounds else (0, len(self))
        CountingText.visited += (match if match >= 0 else end) - start
        return match


def count_rule_steps(rule, context):
    """Return the number of steps that a rule takes for its first diagnostics."""
    CountingText.visited = 0
    calls = count_steps(lambda: list(itertools.islice(rule(context), MAX_DIAGNOSTICS)))
    return calls + CountingText.visited


def with_counting_texts(value):
    if isinstance(value, dict):
        return {key: with_counting_texts(child) for key, child in value.items()}
    if isinstance(value, list):
        return [with_counting_texts(child) for child in value]
    return CountingText(value) if isinstance(value, str) else value


def build_context(text):
    document, diagnostics = parse_yaml("it.yml", text.encode())
    assert diagnostics == ()
    return RuleContext("it.yml", document, with_counting_texts(document.data), NoFiles())


TEXTS = {
    "open expressions": lambda n: "command: '" + "${{" * n + "'",
    "expressions": lambda n: "command: '" + "${{inputs.a}}" * n + "'",
    "open optional parts": lambda n: "command: '" + "$[[ ${{inputs.a}}" * n + "'",
    "optional parts": lambda n: "inputs: {a: 1}\ncommand: '" + "$[[${{inputs.a}}]]" * n + "'",
    "braces": lambda n: "name: '" + "{{" * n + "'",
    "brackets": lambda n: "name: '" + "$(" * n + "'",
    "keys": lambda n: "command: '" + "-----BEGIN A" * n + "'",
    "chain": lambda n: (
        "jobs:\n" + "".join(f"  n{i}: {{inputs: {{x: '${{{{parent.jobs.n{i + 1}.outputs.o}}}}'}}}}\n" for i in range(n))
    ),
    "nodes": lambda n: "jobs:\n" + "".join(f"  n{i}: {{}}\n" for i in range(n)),
    "cron expression": lambda n: "trigger: {expression: '" + "1," * n + " * * * *'}",
    "digits": lambda n: "min_instances: '" + "1" * n + "'\nversion: '" + "1" * n + "'",
}
RULES = {rule: None for rules in RULE_SETS.values() for rule in rules}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_twice_the_text_takes_at_most_twice_the_steps(text):
    small, large = build_context(text(300)), build_context(text(600))
    for rule in RULES:
        steps = count_rule_steps(rule, small)
        assert count_rule_steps(rule, large) <= 2 * TOLERANCE * steps, rule


# The steps of a pattern cannot be counted, so the next tests check that its input is bounded.


def test_placeholders_are_searched_in_the_beginning_of_a_text_only():
    assert has_placeholder("x" * 200 + "<NAME>")
    assert not has_placeholder("x" * 300 + "<NAME>")


def test_texts_of_many_digits_are_no_integers():
    assert as_integer("1" * 18) == int("1" * 18)
    assert as_integer("1" * 19) is None
