"""Environment variables that no process can have are errors at their line."""

from __future__ import annotations

import pytest

from reconciler.format.rules import variables


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("'': 1", "'' cannot be the name of an environment variable"),
        ("A=B: 1", "'A=B' cannot be the name of an environment variable"),
        ('"A\\0": 1', r"'A\x00' cannot be the name of an environment variable"),
        ('A: "x\\0y"', "the value of A has a NUL character, which no environment variable can have"),
        ("A: x=y", None),
        ("a-b.c d: x", None),
        ("GRÖSSE: 'größer\n  als'", None),
        ("A: true", None),
        ("A:", None),
    ],
)
def test_what_no_process_can_have_is_an_error(diagnose, variable, expected):
    block = f"environment_variables: {{{variable} }}\n"
    for text in (block, f"trial:\n  {block}", f"jobs:\n  a:\n    {block}"):
        diagnostics = diagnose(variables.RULES, text)
        assert [diagnostic.message for diagnostic in diagnostics] == ([expected] if expected else [])
        assert all(diagnostic.code == "variable-impossible" and diagnostic.hint for diagnostic in diagnostics)
