from __future__ import annotations

import pytest

from reconciler.format.rules import environments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: a\nbuild: {path: b}", "environment-both 2:1"),
        ("name: a\nconda_file: b", "environment-conda 2:1"),
        ("name: a", "environment-neither 1:1"),
        ("image: a\nconda_file: b", None),
        ("build: {path: b}", None),
    ],
)
def test_an_environment_needs_either_an_image_or_a_build_context(check, text, expected):
    assert check(environments.ASSET_RULES, text) == ([expected] if expected else [])
    inline = "environment:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    assert len(check(environments.INLINE_RULES, inline)) == bool(expected)
    assert len(check(environments.INLINE_RULES, "jobs:\n  a: {environment: {name: a}}\n")) == 1
