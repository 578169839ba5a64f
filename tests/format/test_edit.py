"""Fields of YAML files that get other values, while all the rest of the text stays."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format.edit import edit_document
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

TEXT = """\
# the cluster
name: cpu   # its name
tags: {team: "a"}  # in braces
max_instances: 1  # as few as can be
identity:
  # of the system
  type: system_assigned
notes: |
  several
  lines
"""


def edited(text: str, **values) -> str | None:
    document, diagnostics = parse_yaml("a.yml", text.encode())
    assert not diagnostics
    return edit_document(document, {name.replace("__", "/"): value for name, value in values.items()})


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"__max_instances": 3}, "max_instances: 1 ", "max_instances: 3 "),
        ({"__tags__team": "b"}, 'team: "a"', 'team: "b"'),
        ({"__tags__on": "yes"}, '{team: "a"}', "{'on': 'yes', team: \"a\"}"),
        ({"__identity__type": "user_assigned"}, "system_assigned", "user_assigned"),
        ({"__identity__name": "me"}, "system_assigned\n", "system_assigned\n  name: me\n"),
        ({"__size": "big"}, "can be\n", "can be\nsize: big\n"),
        ({"__network__subnet": "a: b"}, "can be\n", "can be\nnetwork: {subnet: 'a: b'}\n"),
    ],
)
def test_a_value_is_changed_and_the_rest_of_the_text_stays(values, old, new):
    assert edited(TEXT, **values) == TEXT.replace(old, new)
    windows = TEXT.replace("\n", "\r\n")
    assert edited(windows, **values) == windows.replace(old.replace("\n", "\r\n"), new.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (TEXT, {"__notes": "one line"}),
        (TEXT, {"__identity": "none"}),
        (TEXT, {"__name__first": "a"}),
        ("a: &shared 1\nb: *shared\n", {"__a": 2}),
        ("a: &shared 1\nb: *shared\n", {"__b": 2}),
        ("a:\nb: 1\n", {"__a": 2}),
        ("a:\n  - 1\n", {"__b": 2}),
    ],
)
def test_what_cannot_be_changed_alone_is_not_changed(text, values):
    assert edited(text, **values) is None


VALUES = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.integers(), max_size=3))


@pytest.mark.slow
@given(st.sampled_from(["/max_instances", "/tags/team", "/tags/b", "/identity/type", "/new"]), VALUES)
def test_an_edit_changes_exactly_the_value_or_nothing(pointer, value):
    document, _ = parse_yaml("a.yml", TEXT.encode())
    text = edit_document(document, {pointer: value})
    if text is not None:
        expected = copy.deepcopy(document.data)
        *parents, key = pointer.split("/")[1:]
        parent = expected[parents[0]] if parents else expected
        parent[key] = value
        assert parse_yaml("a.yml", text.encode())[0].data == expected
        others = [line for line in TEXT.splitlines() if "#" in line and key not in line]
        # A value of several lines has the comment of its own line behind its last one.
        assert [line for line in text.splitlines() if line in others] == others
