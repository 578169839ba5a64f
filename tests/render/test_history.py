"""The difference between two live states, as text and JSON."""

from __future__ import annotations

import json

import pytest

from reconciler.model import Address, Record, ResourceDiff, State
from reconciler.render.history import format_state_diff, state_diff_to_json

pytestmark = pytest.mark.fast

ADDRESS = Address("vault", "keys")  # of a kind that only a newer mlgit knows


def state(key: str) -> State:
    spec = {"description": key[:1], "credentials": {"account_key": key}}
    record = Record(ADDRESS, spec, "f", "m", 1)
    return State("l" * 32, {ADDRESS: record}, lambda *_: None, lambda *_: None)


def test_secrets_of_an_unknown_kind_are_hidden():
    before, after = state("first-secret"), state("second-secret")
    diffs = [ResourceDiff(ADDRESS, before.current[ADDRESS], after.current[ADDRESS])]
    for output in (format_state_diff(before, after, diffs), json.dumps(state_diff_to_json(before, after, diffs))):
        assert "vault/keys" in output
        assert "description" in output
        assert "first-secret" not in output
        assert "second-secret" not in output
