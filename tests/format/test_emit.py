"""A spec written as a file is parsed as the same spec, whatever its strings look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format.emit import emit_asset_yaml
from reconciler.format.yaml import parse_yaml

TEXTS = st.one_of(
    st.sampled_from(
        ["on", "No", "~", "null", "1.10", "0x1f", "1_000", "12:30", "2020-01-01", "", " a", "a ", "- a", "#"]
    ),
    st.sampled_from(
        ["a: b", "a #b", "a\nb\n", "a\nb", "a \nb", "\n", "  x\ny", "'", '"', "%a", "@a", "é", "=", "<<", "!a"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-(10**9), 10**9), st.booleans(), st.none(), st.floats(-1e6, 1e6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(st.fixed_dictionaries({"name": TEXTS, "description": TEXTS, "tags": st.dictionaries(TEXTS, VALUES, max_size=4)}))
def test_an_emitted_spec_is_parsed_as_the_same_spec(spec):
    document, diagnostics = parse_yaml("x.yml", emit_asset_yaml("x.yml", "data", spec).encode())
    assert (document.data, diagnostics) == (spec, ())


def test_fields_are_in_order_and_comments_at_the_top():
    text = emit_asset_yaml(
        "x.yml", "data", {"path": "a.csv", "type": "uri_file", "version": "1", "name": "a"}, ["one", "two"]
    )
    assert text == "# one\n# two\n\nname: a\nversion: '1'\ntype: uri_file\npath: a.csv\n"


@pytest.mark.parametrize("text", ["python a.py \\\n  --b\n", "a\n\nb"])
def test_multi_line_strings_are_written_as_blocks(text):
    assert "command: |" in emit_asset_yaml("x.yml", "job", {"command": text})
