"""The settings that a provider reports, compared with those that are recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import Address, Condition, Handle, Phase, Record
from reconciler.model.providers import Effect, Intent
from reconciler.planning.resource_settings import (
    are_in_place,
    find_changed_settings,
    format_changed_settings,
    overwritten_settings,
)

pytestmark = pytest.mark.fast

SPEC = {"name": "cpu", "type": "amlcompute", "size": "small", "max_instances": 1, "tags": {"a": "b", "c/d": "e"}}


def reported(**settings) -> Record:
    condition = Condition(Phase.READY, settings=settings)
    return Record(Address("compute", "cpu"), SPEC, "", "", 1, handle=Handle("x", "1"), condition=condition)


@pytest.mark.parametrize(
    ("settings", "phrase", "in_place"),
    [
        ({}, "", True),
        (SPEC, "", True),
        ({"max_instances": 3}, "max_instances is 3, not 1", True),
        ({"size": "big"}, "size is big, not small", False),
        ({"tags": {"a": "x", "c/d": "y"}}, "tags.a is x, not b; tags.c/d is y, not e", True),
        ({"description": "new"}, "description is new, not set", True),
        ({"description": None}, "", True),
        ({"tier": "dedicated"}, "", True),  # the default
        ({"ssh_settings": {"admin_password": "1234"}}, "", True),
    ],
)
def test_what_is_reported_is_compared_but_for_secrets_and_defaults(settings, phrase, in_place):
    record = reported(**settings)
    changed = find_changed_settings(record)
    assert format_changed_settings(changed) == phrase
    assert are_in_place(record, changed) is in_place


def test_a_setting_that_a_file_has_changed_itself_is_not_set_back_by_it():
    record = reported(max_instances=3, size="big")
    assert [setting.field for setting in overwritten_settings(record, SPEC)] == ["max_instances", "size"]
    assert [setting.field for setting in overwritten_settings(record, {**SPEC, "size": "big"})] == ["max_instances"]
    assert [setting.field for setting in overwritten_settings(record, {**SPEC, "max_instances": 2})] == ["size"]


def test_settings_are_not_compared_before_an_effect_is_settled():
    assert find_changed_settings(replace(reported(size="big"), intent=Intent(Effect.UPDATE, "t"))) == ()


def test_settings_are_not_recorded():
    assert reported(size="big").condition.to_json() == {"phase": "ready"}
