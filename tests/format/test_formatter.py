"""The layout of a file changes its order, never what it says, and never twice."""

from __future__ import annotations

import json
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import UserError
from reconciler.format.formatter import format_document
from reconciler.format.yaml import parse_yaml

ORDER = ("path", "inputs")


def laid(text: str, order: tuple[str, ...] = ORDER) -> str:
    document, problems = parse_yaml("a.yml", text.encode())
    assert problems == ()
    return format_document(document, order)


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_fields_come_in_order_and_unknown_ones_last():
    assert laid("own: 1\npath: x\ntype: t\nname: n\n$schema: s\n") == "$schema: s\nname: n\ntype: t\npath: x\nown: 1\n"


def test_what_is_nested_keeps_its_order():
    assert laid("inputs:\n  b: 1\n  a: 2\nname: n\n") == "name: n\ninputs:\n  b: 1\n  a: 2\n"


def test_a_file_in_order_stays_as_it_is_to_the_last_space():
    text = "# head\n\nname:   'n'\n\n# why\npath: {a:  1}   # here\ninputs:\n   - a\n   -   b\n"
    assert laid(text) == text


def test_comments_move_with_the_field_below_them():
    before = dedent("""
        # the file

        # about the path
        # and more
        path: x   # beside
        # about the name
        name: n
        """)
    assert laid(before) == dedent("""
        # the file

        # about the name
        name: n
        # about the path
        # and more
        path: x   # beside
        """)


def test_a_comment_that_stands_apart_from_the_next_field_belongs_to_the_one_above():
    before = "path: x\n# so much for the path\n\nname: n\n# end\n"
    assert laid(before) == "name: n\n# end\npath: x\n# so much for the path\n"


def test_comments_inside_a_field_stay_inside():
    before = "inputs:\n  # first\n  a: 1\n  # last\nname: n\n"
    assert laid(before) == "name: n\ninputs:\n  # first\n  a: 1\n  # last\n"


def test_what_speaks_to_programs_stays_on_top():
    before = "# yaml-language-server: $schema=x\n---\npath: x\nname: n\n"
    assert laid(before) == "# yaml-language-server: $schema=x\n---\nname: n\npath: x\n"


def test_what_looks_like_a_comment_or_a_field_inside_text_is_text():
    before = dedent("""
        path: |
          # no comment
          name: no field

          end
        inputs: "a

          # b"
        name: n
        """)
    after = laid(before)
    assert after.startswith("name: n\npath: |\n  # no comment\n")
    assert after.endswith('inputs: "a\n\n  # b"\n')


def test_blank_lines_that_count_move_with_their_text():
    before = "path: |+\n  x\n\n\nname: n\n"
    assert laid(before) == "name: n\npath: |+\n  x\n\n\n"


@pytest.mark.parametrize(
    ("typed", "after"), [("1", '"1"'), ("1.5", '"1.5"'), ("v2", '"v2"'), ("2024-05-01", '"2024-05-01"')]
)
def test_versions_are_put_in_quotes(typed, after):
    assert laid(f"version: {typed}  # c\n") == f"version: {after}  # c\n"


@pytest.mark.parametrize(
    "typed", ["1.10", "010", "1_000", "1.0e+3", "true", "", "'1'", '"1"', "!!str 1", "&v 1", "[1]"]
)
def test_a_version_that_is_quoted_or_that_is_not_what_was_typed_is_left_to_its_author(typed):
    assert laid(f"version: {typed}\n") == f"version: {typed}\n"


def test_only_the_version_of_the_asset_is_quoted():
    assert laid("inputs:\n  version: 1\n") == "inputs:\n  version: 1\n"


def test_windows_line_breaks_stay():
    assert laid("path: x\r\nname: n\r\n") == "name: n\r\npath: x\r\n"


def test_mixed_line_breaks_become_those_of_the_most():
    assert laid("path: x\r\nname: n\ntype: t\n") == "name: n\ntype: t\npath: x\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n  \n"])
def test_a_file_ends_with_one_line_break(end):
    assert laid(f"path: x\nname: n{end}") == "name: n\npath: x\n"


def test_a_byte_order_mark_goes():
    document, _ = parse_yaml("a.yml", b"\xef\xbb\xbfpath: x\nname: n\n")
    assert format_document(document, ORDER) == "name: n\npath: x\n"


def test_the_order_is_kept_where_an_alias_needs_its_anchor_first():
    text = "tags: &t {a: b}\nname: n\ninputs: *t\n"
    assert laid(text) == text


def test_a_mapping_in_braces_is_left_to_its_author():
    assert laid("{path: x, name: n}") == "{path: x, name: n}\n"


def test_a_file_that_would_say_something_else_is_refused():
    with pytest.raises(UserError, match="path would be read as something else") as refused:
        laid("name: n\npath: |\n  no line break at the end")
    assert refused.value.diagnostics[0].code == "layout-unsafe"


# Lines that make files hard to lay out: comments, blank lines and all sorts of values, in any order.
SCALARS = st.sampled_from(
    ["x", "'q # q'", '"d: d"', "1", "1.10", "2024-01-01", "yes", "~", "", "[a, {b: c}]", "{a: [1]}"]
)
BLOCKS = st.sampled_from(
    [
        "|\n  text\n  # not\n\n  end",
        "|+\n  keep\n\n",
        ">-\n  folded\n  more",
        "|2-\n    in",
        "\n  a: 1\n  # in\n  b: [2]",
        "\n- 1\n- 2",
        "\n  - a: 1\n    b: 2\n  -\n    c",
        '"two\n\n  # lines"',
        "plain\n  goes on",
        "!!str 5",
        "\n  deep:\n    - |+\n      k\n\n",
    ]
)
GAPS = st.lists(st.sampled_from(["", "# c", "  # deep", "#", "   "]), max_size=3)
KEYS = ["$schema", "name", "version", "type", "description", "tags", "path", "inputs", "own", "'other'"]


@st.composite
def files(draw: st.DrawFn) -> str:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
    lines = draw(st.sampled_from([[], ["# head", ""], ["# head"], ["%YAML 1.1", "---"], ["---"]]))
    lines += draw(GAPS)
    for key in keys:
        value = draw(st.one_of(SCALARS, BLOCKS))
        lines.append(f"{key}: {value}" + draw(st.sampled_from(["", "", "  # beside"])) * ("\n" not in value))
        lines += draw(GAPS)
    lines += draw(st.sampled_from([[], ["..."]]))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))


def said(text: str) -> str:
    data = parse_yaml("a.yml", text.encode())[0].data
    version = data.get("version")
    if isinstance(version, int | float) and not isinstance(version, bool):
        data = {**data, "version": str(version)}
    return json.dumps(data, sort_keys=True)


def comments(text: str) -> list[str]:
    return sorted(line.strip().replace('"', "") for line in text.splitlines() if "#" in line)


@given(files())
@settings(max_examples=200, deadline=None)
def test_laying_out_changes_nothing_that_is_said_and_nothing_the_second_time(text):
    document, problems = parse_yaml("a.yml", text.encode())
    if problems or not isinstance(document.data, dict):
        return
    try:
        once = format_document(document, ORDER)
    except UserError:
        # Only the missing line break at the end of a text in a block can make it unsafe.
        assert not text.endswith(("\n", "\r\n"))
        return
    assert said(once) == said(text)
    assert laid(once) == once
    assert comments(once) == comments(text)
