"""Expressions in commands: a program gets the value of the spec, whatever quotes the expression is in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.runner.command import RawText, ShellWord, substitute_expressions
from reconciler.runner.result import RunFailedError

_SHOW = f"'{sys.executable}' -c 'import json,sys; print(json.dumps(sys.argv[1:]))' "
_SPECIAL_CHARACTERS = "a b'c\"d$HOME`id`\\e!#;&|*?~(f)"


def words(command: str) -> list[str]:
    """Return the words into which a shell splits a command."""
    done = subprocess.run(["/bin/bash", "-c", _SHOW + command], capture_output=True, text=True, check=True)
    arguments: list[str] = json.loads(done.stdout)
    return arguments


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--x ${{inputs.x}} -y", ["--x", _SPECIAL_CHARACTERS, "-y"]),
        ("--x=${{ inputs.x }}/z", [f"--x={_SPECIAL_CHARACTERS}/z"]),
        ('"${{inputs.x}}"', [_SPECIAL_CHARACTERS]),
        ('"in ${{inputs.x}} and \\"" ${{inputs.x}}', [f'in {_SPECIAL_CHARACTERS} and "', _SPECIAL_CHARACTERS]),
        ("'${{inputs.x}}' after", [_SPECIAL_CHARACTERS, "after"]),
        ("'it'\"'\"'s' ${{inputs.x}}", ["it's", _SPECIAL_CHARACTERS]),
        ("\"$(printf %s '${{inputs.x}}')\"", [_SPECIAL_CHARACTERS]),
        ('"$(printf %s ${{inputs.x}})${{inputs.x}}"', [_SPECIAL_CHARACTERS + _SPECIAL_CHARACTERS]),
        ("one # it's a comment\ntrue ${{inputs.x}}", ["one"]),
        ("\\'${{inputs.x}}", ["'" + _SPECIAL_CHARACTERS]),
    ],
)
def test_a_path_is_one_word_in_any_quotes(command: str, expected: list[str]) -> None:
    assert words(substitute_expressions(command, {"inputs.x": ShellWord(_SPECIAL_CHARACTERS)})) == expected


@given(st.text(st.characters(exclude_categories=["C"], max_codepoint=0x2FF), min_size=1, max_size=20))
def test_any_value_reaches_the_program_unchanged(value: str) -> None:
    line = substitute_expressions("""${{inputs.x}} '${{inputs.x}}' "${{inputs.x}}" """, {"inputs.x": ShellWord(value)})
    done = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [value] * 3


def test_literals_are_pasted_into_the_command_as_by_azure_ml() -> None:
    values = {"inputs.lr": RawText(0.1), "inputs.flag": RawText(value=True), "inputs.more": RawText("--a 1 --b 2")}
    line = substitute_expressions("--lr ${{inputs.lr}} ${{inputs.flag}} ${{inputs.more}}", values)
    assert words(line) == ["--lr", "0.1", "True", "--a", "1", "--b", "2"]


def test_a_literal_in_quotes_is_one_word() -> None:
    assert words(substitute_expressions("'${{inputs.s}}'", {"inputs.s": RawText("it's so")})) == ["it's so"]


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_an_object_is_json_and_one_word_in_quotes_or_not(quote):
    value = {"name": "it's", "layers": [1, 2.5]}
    command = substitute_expressions(f"{quote}${{{{inputs.o}}}}{quote}", {"inputs.o": RawText(value)})
    assert [json.loads(word) for word in words(command)] == [value]


def test_a_value_that_looks_like_an_expression_is_not_substituted() -> None:
    values = {"inputs.a": ShellWord("${{inputs.b}}"), "inputs.b": ShellWord("secret")}
    assert words(substitute_expressions("${{inputs.a}}", values)) == ["${{inputs.b}}"]


def test_an_unknown_name_is_a_staging_failure_that_lists_the_valid_names() -> None:
    with pytest.raises(RunFailedError) as caught:
        substitute_expressions("x ${{inputs.iriss}}", {"inputs.iris": ShellWord("/x"), "outputs.m": ShellWord("/m")})
    assert caught.value.failure.kind == "staging"
    assert "${{inputs.iriss}}" in str(caught.value)
    assert "inputs.iris, outputs.m" in str(caught.value)


def test_an_optional_part_is_kept_only_if_its_input_has_a_value() -> None:
    command = "x $[[--lr ${{inputs.lr}}]] $[[--seed ${{inputs.seed}}]] y"
    assert substitute_expressions(command, {"inputs.lr": RawText(1)}).split() == ["x", "--lr", "1", "y"]
