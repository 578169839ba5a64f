from __future__ import annotations

from itertools import chain

import pytest

from reconciler.format.detect import detect_kind
from reconciler.format.kind import Kind
from reconciler.format.kinds import kinds
from reconciler.format.schema_bundle import bundle_schema, schema_property_names
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast


def fields(kind: Kind) -> set[str]:
    """Return the top-level fields of the schema of a kind, and those that the kind names."""
    return {
        *schema_property_names(bundle_schema(schema_id(kind.name), load_schemas())),
        *kind.in_place_fields,
        *kind.secret_fields,
    }


def test_each_kind_partitions_its_fields_into_fingerprint_in_place_and_ignored(golden):
    """The golden file shows a reviewer what a change of a schema or a trait does."""
    lines = []
    for kind in kinds().values():
        names = sorted(fields(kind))
        sets = {
            "fingerprint": [name for name in names if kind.is_fingerprint_field(name)],
            "in place": [name for name in names if name in kind.in_place_fields],
            "neither": [name for name in names if name in kind.ignored_fields],
        }
        assert sorted(chain.from_iterable(sets.values())) == names
        sets["secret"] = sorted(kind.secret_fields)
        lines.append(f"{kind.name}: {kind.lifecycle}, leaves by {kind.deletion_policy}")
        lines += [f"  {title}: {', '.join(names) or 'nothing'}" for title, names in sets.items()]
    golden("format/kinds.txt", "\n".join(lines) + "\n")


def test_kinds_are_in_the_order_in_which_a_plan_lists_them():
    orders = [kind.order for kind in kinds().values()]
    assert orders == sorted(orders)


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("data", "data"),
        ("workspace", "workspace"),
        ("commandJob", "job"),
        ("pipelineComponent", "component"),
        ("amlCompute", "compute"),
        ("azureBlob", "datastore"),
        ("managedOnlineDeployment", "deployment"),
        ("workspaceConnection", "connection"),
    ],
)
@pytest.mark.parametrize("form", ["latest/{}.schema.json", "1.0/{}.schema.json/", "development/{}.schema.json"])
def test_the_kind_of_a_document_is_detected_by_its_schema(schema, name, form):
    text = f"$schema: https://azuremlschemas.azureedge.net/{form.format(schema)}\nname: x\n"
    kind = detect_kind(parse_yaml("f.yml", text.encode())[0].data)
    assert kind is not None
    assert kind.name == name


@pytest.mark.parametrize(
    ("kind", "keys"), [(kind, sorted(keys)) for kind in kinds().values() for keys in kind.key_sets]
)
def test_a_document_with_a_key_set_of_a_kind_matches_the_kind(kind, keys):
    data = {key: min(kind.types) if key == "type" and kind.types else "x" for key in keys}
    assert kind.match_score(data) >= len(keys)
    assert detect_kind(data) is not None


@pytest.mark.parametrize(
    "text", ["a: 1\n", "- 1\n", "", "$schema: 5\n", "$schema: https://json.schemastore.org/github-workflow.json\n"]
)
def test_other_documents_have_no_kind(text):
    assert detect_kind(parse_yaml("f.yml", text.encode())[0].data) is None
