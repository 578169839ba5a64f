"""Files from strangers: whatever they hold, rules take time in proportion to it."""

from __future__ import annotations

import itertools
import time

import pytest

from reconciler.format.kinds import kinds
from reconciler.format.rule_context import RuleContext
from reconciler.format.yaml import parse_yaml

SECONDS = 5  # what takes quadratic time takes minutes
FOUND = 50  # of a rule, as many as are worth showing: a rule yields as it goes


class Nothing:
    """No files."""

    def read_file(self, path):
        raise KeyError(path)

    def exists(self, path):
        return False

    def display_path(self, path):
        return path


LONG = {
    "open expressions": "command: '" + "${{" * 300_000 + "'",
    "expressions": "command: '" + "${{inputs.a}}" * 100_000 + "'",
    "optional parts": "command: '" + "$[[ ${{inputs.a}}" * 60_000 + "'",
    "optional parts that end": "inputs: {a: 1}\ncommand: '" + "$[[${{inputs.a}}]]" * 60_000 + "'",
    "braces": "name: '" + "{{" * 500_000 + "'",
    "brackets": "name: '" + "$(" * 500_000 + "'",
    "keys": "command: '" + "-----BEGIN A" * 100_000 + "'",
    "a chain": "jobs:\n"
    + "".join(f"  n{n}: {{inputs: {{x: '${{{{parent.jobs.n{n + 1}.outputs.o}}}}'}}}}\n" for n in range(4_000)),
    "a crowd": "jobs:\n" + "".join(f"  n{n}: {{}}\n" for n in range(9_000)),
    "a cron expression": "trigger: {expression: '" + "1," * 500_000 + " * * * *'}",
    "digits": "min_instances: '" + "1" * 1_000_000 + "'\nversion: '" + "1" * 1_000_000 + "'",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_a_long_text_is_judged_in_time(text):
    document, diagnostics = parse_yaml("it.yml", text.encode())
    assert diagnostics == ()
    context = RuleContext("it.yml", document, document.data, Nothing())
    for kind in kinds().values():
        for rule in kind.rules:
            began = time.perf_counter()
            list(itertools.islice(rule(context), FOUND))
            assert time.perf_counter() - began < SECONDS, rule
