"""JSON that a stranger may have written."""

from __future__ import annotations

import pytest

from reconciler.format.json_text import parse_json

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"\uDFFF": 1}', r'["\udc00\ud800"]', '"', "[" * 100_000])
def test_what_is_no_json_or_no_text_is_refused(text):
    with pytest.raises((ValueError, RecursionError)):
        parse_json(text.encode())


def test_a_pair_of_surrogates_is_a_character():
    assert parse_json(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"
