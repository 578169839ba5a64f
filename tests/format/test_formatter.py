"""Formatting a file changes its layout, never its data, and is idempotent."""

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


def format_text(text: str, order: tuple[str, ...] = ORDER) -> str:
    document, diagnostics = parse_yaml("a.yml", text.encode())
    assert diagnostics == ()
    return format_document(document, order)


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_fields_are_sorted_with_unknown_ones_last():
    assert (
        format_text("own: 1\npath: x\ntype: t\nname: n\n$schema: s\n")
        == "$schema: s\nname: n\ntype: t\npath: x\nown: 1\n"
    )


def test_nested_fields_keep_their_order():
    assert format_text("inputs:\n  b: 1\n  a: 2\nname: n\n") == "name: n\ninputs:\n  b: 1\n  a: 2\n"


def test_a_formatted_file_stays_unchanged():
    text = "# head\n\nname:   'n'\n\n# why\npath: {a:  1}   # here\ninputs:\n   - a\n   -   b\n"
    assert format_text(text) == text


def test_comments_move_with_the_field_below_them():
    before = dedent("""
        # the file

        # about the path
        # and more
        path: x   # beside
        # about the name
        name: n
        """)
    assert format_text(before) == dedent("""
        # the file

        # about the name
        name: n
        # about the path
        # and more
        path: x   # beside
        """)


def test_a_comment_followed_by_a_blank_line_moves_with_the_field_above_it():
    before = "path: x\n# so much for the path\n\nname: n\n# end\n"
    assert format_text(before) == "name: n\n# end\npath: x\n# so much for the path\n"


def test_comments_inside_a_field_stay_inside():
    before = "inputs:\n  # first\n  a: 1\n  # last\nname: n\n"
    assert format_text(before) == "name: n\ninputs:\n  # first\n  a: 1\n  # last\n"


def test_directives_for_tools_stay_at_the_top():
    before = "# yaml-language-server: $schema=x\n---\npath: x\nname: n\n"
    assert format_text(before) == "# yaml-language-server: $schema=x\n---\nname: n\npath: x\n"


def test_comments_and_fields_inside_strings_are_text():
    before = dedent("""
        path: |
          # no comment
          name: no field

          end
        inputs: "a

          # b"
        name: n
        """)
    after = format_text(before)
    assert after.startswith("name: n\npath: |\n  # no comment\n")
    assert after.endswith('inputs: "a\n\n  # b"\n')


def test_significant_blank_lines_move_with_their_value():
    before = "path: |+\n  x\n\n\nname: n\n"
    assert format_text(before) == "name: n\npath: |+\n  x\n\n\n"


@pytest.mark.parametrize(
    ("source", "formatted"), [("1", '"1"'), ("1.5", '"1.5"'), ("v2", '"v2"'), ("2024-05-01", '"2024-05-01"')]
)
def test_versions_are_put_in_quotes(source, formatted):
    assert format_text(f"version: {source}  # c\n") == f"version: {formatted}  # c\n"


@pytest.mark.parametrize(
    "source", ["1.10", "010", "1_000", "1.0e+3", "true", "", "'1'", '"1"', "!!str 1", "&v 1", "[1]"]
)
def test_a_quoted_or_ambiguous_version_stays_unchanged(source):
    assert format_text(f"version: {source}\n") == f"version: {source}\n"


def test_only_the_version_of_the_asset_is_quoted():
    assert format_text("inputs:\n  version: 1\n") == "inputs:\n  version: 1\n"


def test_windows_line_breaks_are_kept():
    assert format_text("path: x\r\nname: n\r\n") == "name: n\r\npath: x\r\n"


def test_mixed_line_breaks_become_the_most_frequent_ones():
    assert format_text("path: x\r\nname: n\ntype: t\n") == "name: n\ntype: t\npath: x\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n  \n"])
def test_a_file_ends_with_one_line_break(end):
    assert format_text(f"path: x\nname: n{end}") == "name: n\npath: x\n"


def test_a_byte_order_mark_is_removed():
    document, _ = parse_yaml("a.yml", b"\xef\xbb\xbfpath: x\nname: n\n")
    assert format_document(document, ORDER) == "name: n\npath: x\n"


def test_a_file_with_aliases_keeps_its_order():
    text = "tags: &t {a: b}\nname: n\ninputs: *t\n"
    assert format_text(text) == text


def test_a_mapping_in_braces_stays_unchanged():
    assert format_text("{path: x, name: n}") == "{path: x, name: n}\n"


def test_a_file_whose_data_would_change_is_refused():
    with pytest.raises(UserError, match="the value of path would change") as raised:
        format_text("name: n\npath: |\n  no line break at the end")
    assert raised.value.diagnostics[0].code == "layout-unsafe"


# Lines that are hard to format: comments, blank lines and all kinds of values, in any order.
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


def canonical_data(text: str) -> str:
    data = parse_yaml("a.yml", text.encode())[0].data
    version = data.get("version")
    if isinstance(version, int | float) and not isinstance(version, bool):
        data = {**data, "version": str(version)}
    return json.dumps(data, sort_keys=True)


def comments(text: str) -> list[str]:
    return sorted(line.strip().replace('"', "") for line in text.splitlines() if "#" in line)


@given(files())
@settings(max_examples=200, deadline=None)
def test_formatting_keeps_data_and_comments_and_is_idempotent(text):
    document, diagnostics = parse_yaml("a.yml", text.encode())
    if diagnostics or not isinstance(document.data, dict):
        return
    try:
        once = format_document(document, ORDER)
    except UserError:
        # Formatting is unsafe only if a block at the end has no line break.
        assert not text.endswith(("\n", "\r\n"))
        return
    assert canonical_data(once) == canonical_data(text)
    assert format_text(once) == once
    assert comments(once) == comments(text)
