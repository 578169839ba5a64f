from __future__ import annotations

import pytest

from reconciler import __version__
from reconciler.config.config import parse_config
from reconciler.diagnostics import Span
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

STATE = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'


@pytest.mark.parametrize("specifier", [">=0.0.1", ">=0.0.1,<99", "!=99.0"])
def test_a_matching_version_is_accepted(specifier):
    config, diagnostics = parse_config(parse_yaml("mlgit.yml", f'requires: "{specifier}"\n{STATE}'.encode())[0])
    assert config is not None
    assert diagnostics == ()


def test_another_version_is_refused_before_the_fields_are_checked():
    text = f'requires: ">=99"\nwhatever: 1\n{STATE}'
    config, (diagnostic,) = parse_config(parse_yaml("mlgit.yml", text.encode())[0])
    assert config is None
    assert (diagnostic.code, diagnostic.span) == ("requires-unmet", Span("mlgit.yml", 1, 11))
    assert ">=99" in diagnostic.message
    assert __version__ in diagnostic.message


def test_an_invalid_specifier_is_an_error_at_its_line():
    config, (diagnostic,) = parse_config(parse_yaml("mlgit.yml", f"requires: newest\n{STATE}".encode())[0])
    assert config is None
    assert (diagnostic.code, diagnostic.span) == ("wrong-value", Span("mlgit.yml", 1, 11))
