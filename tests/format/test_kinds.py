from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from planning.world import SCHEMA

from reconciler.format import schemas
from reconciler.format.kinds import kinds, recognise
from reconciler.format.yaml import parse


def top(schema: Any) -> Iterator[str]:
    """Yield the fields that a schema knows at its top, in whatever branch."""
    yield from schema.get("properties", {})
    for word in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(word, []):
            yield from top(branch)
    for word in ("then", "else"):
        if word in schema:
            yield from top(schema[word])


def test_each_kind_says_which_fields_make_it_what_it_is_and_which_change_in_place(golden):
    """The golden file is what a reviewer reads when a schema or a trait changes."""
    lines = []
    for kind in kinds().values():
        names = sorted(set(top(schemas.load(kind.name))) | kind.in_place)
        sets = {
            "fingerprint": [each for each in names if kind.affects(each)],
            "in place": [each for each in names if each in kind.in_place],
            "neither": [each for each in names if each in kind.ignored],
        }
        assert sorted(chain.from_iterable(sets.values())) == names
        lines.append(f"{kind.name}: {kind.lifecycle}, leaves by {kind.leaving}")
        lines += [f"  {title}: {', '.join(found) or 'nothing'}" for title, found in sets.items()]
    golden("format/kinds.txt", "\n".join(lines) + "\n")


def test_kinds_are_in_the_order_in_which_a_plan_lists_them():
    orders = [kind.order for kind in kinds().values()]
    assert orders == sorted(set(orders))


def test_no_two_kinds_claim_a_schema():
    claimed = [name for kind in kinds().values() for name in kind.schemas]
    assert len(claimed) == len(set(claimed))


@pytest.mark.parametrize(("kind", "name"), [(kind.name, name) for kind in kinds().values() for name in kind.schemas])
@pytest.mark.parametrize("form", [SCHEMA, "$schema: https://azuremlschemas.azureedge.net/1.0/{}.schema.json/\n"])
def test_a_document_is_recognised_by_its_schema(kind, name, form):
    found = recognise(parse("f.yml", (form.format(name) + "name: x\n").encode())[0])
    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(("kind", "keys"), [(kind.name, keys) for kind in kinds().values() for keys in kind.keys])
def test_a_document_without_a_schema_is_recognised_by_its_keys(kind, keys):
    found = recognise(parse("f.yml", "".join(f"{key}: x\n" for key in keys).encode())[0])
    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(
    "text", ["a: 1\n", "- 1\n", "", "$schema: 5\n", "$schema: https://json.schemastore.org/github-workflow.json\n"]
)
def test_what_is_no_asset_is_not_recognised(text):
    assert recognise(parse("f.yml", text.encode())[0]) is None
