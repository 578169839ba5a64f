"""Text of others is printed as text: on one line, its unsafe characters as signs, and never as a command."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.sanitize import disarm_commands, sanitize_line, sanitize_text

pytestmark = pytest.mark.fast

UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANY_TEXT = st.text(st.characters(categories=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m\x07\x7f\x85\x9b", "\\x1b[31m\\x07\\x7f\\x85\\x9b"),
        ("\u202e\u2066\u200f\u061c", "\\u202e\\u2066\\u200f\\u061c"),
        ("\u200b\u200d\ufeff\u00ad\u2060", "\\u200b\\u200d\\ufeff\\xad\\u2060"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("caf\udce9 \ud800", "caf\\xe9 \\ud800"),
        ("\U000e0041\u3164", "\\U000e0041\\u3164"),
        ("Zoë 模型 👍 a\xa0b ✓ ±", "Zoë 模型 👍 a\xa0b ✓ ±"),
    ],
)
def test_each_unsafe_character_has_a_sign_and_every_other_stays(text, shown):
    assert sanitize_line(text) == shown


@given(ANY_TEXT)
def test_a_sanitized_line_is_one_line_without_an_unsafe_character(text):
    shown = sanitize_line(text)
    assert len(shown.splitlines()) <= 1
    assert not UNSAFE_CATEGORIES & {unicodedata.category(character) for character in shown}
    shown.encode()


@given(ANY_TEXT)
def test_text_keeps_line_feeds_and_tabs_only(text):
    shown = sanitize_text(text)
    assert shown.count("\n") == text.count("\n")
    remaining = shown.replace("\n", "").replace("\t", "")
    assert not UNSAFE_CATEGORIES & {unicodedata.category(character) for character in remaining}


@pytest.mark.parametrize(
    "line",
    ["::error::x", "  ::set-output name=a::b", "\xa0::x", "a ##[error]b", "##vso[task.setvariable variable=a]b"],
)
def test_what_a_ci_system_takes_for_a_command_is_disarmed_on_every_line(line):
    printed = disarm_commands(f"first\n{line}\nlast {line}")
    assert not any(line.lstrip().startswith("::") for line in printed.splitlines())
    assert "##[" not in printed
    assert "##vso[" not in printed


@given(ANY_TEXT)
def test_json_that_is_disarmed_still_says_the_same(text):
    document = json.dumps({"a": [text, f"##[x]{text}", f"::{text}"]}, indent=2)
    assert json.loads(disarm_commands(document)) == json.loads(document)
