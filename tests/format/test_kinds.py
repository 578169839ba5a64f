from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any

import pytest

from reconciler.format.detect import detect_kind
from reconciler.format.kind import Kind, identifying_keys
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
    kind = detect_kind(parse_yaml("f.yml", text.encode())[0])
    assert kind is not None
    assert kind.name == name


def detected(data: dict[str, Any], comment: str = "") -> str:
    """Return the name of the kind of a document; "" if it is not an asset."""
    kind = detect_kind(parse_yaml("f.yml", f"{comment}\n{json.dumps(data)}".encode())[0])
    return kind.name if kind else ""


def one_of_each_key(kind: Kind, keys: Iterable[str], types: Collection[str]) -> dict[str, Any]:
    """Return a document with all of the keys; ``a.b`` is the key b of the value of a."""
    data: dict[str, Any] = {}
    for key, _, inner in (key.partition(".") for key in keys):
        data[key] = {inner: "x"} if inner else min(types) if key == "type" and types else "x"
    return data


@pytest.mark.parametrize(
    ("kind", "keys"), [(kind, sorted(keys)) for kind in kinds().values() for keys in kind.key_sets]
)
def test_distinctive_keys_make_a_document_an_asset(kind, keys):
    data = one_of_each_key(kind, keys, kind.types)
    assert kind.match_score(identifying_keys(data)) >= len(keys)
    assert detected(data) != ""


@pytest.mark.parametrize(
    ("kind", "keys"), [(kind, sorted(keys)) for kind in kinds().values() for keys in kind.common_key_sets]
)
def test_common_keys_make_a_document_an_asset_only_together_with_a_sign_of_azure_ml(kind, keys):
    data = one_of_each_key(kind, keys, kind.types - kind.distinctive_types)
    assert detected({**data, "anything": 1}) == ""
    assert detected({**data, "anything": "azureml:x:1"}) != ""


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [(kind, type_name) for kind in kinds().values() for type_name in sorted(kind.distinctive_types)],
)
def test_a_name_with_a_type_of_azure_ml_makes_a_document_an_asset(kind, type_name):
    assert detected({"name": "x", "type": type_name, "anything": 1}) == kind.name


@pytest.mark.parametrize(
    "url",
    [
        "https://learn.microsoft.com/en-us/azure/machine-learning/reference-yaml-job-command?view=azureml-api-2",
        "https://json.schemastore.org/github-workflow.json",
        "../schemas/own.json",
        "",
    ],
)
@pytest.mark.parametrize("in_comment", [True, False])
def test_a_schema_that_is_not_one_of_azure_ml_leaves_the_kind_to_the_keys(url, in_comment):
    job = {"command": "x", "environment": "azureml:e:1", "compute": "azureml:c"}
    schema = {} if in_comment else {"$schema": url}
    comment = f"# yaml-language-server: $schema={url}" if in_comment else ""
    assert detected({**schema, **job}, comment) == "job"
    assert detected({**schema, "stages": {}}, comment) == ""


@pytest.mark.parametrize("comment", ["# yaml-language-server: $schema={}", "#yaml-language-server:$schema = {} "])
@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://azuremlschemas.azureedge.net/latest/workspace.schema.json", "workspace"),
        ("https://azuremlschemas.azureedge.net/latest/commandJob.schema.json", "job"),
        ("../.mlgit/schemas/data-import.schema.json", "data-import"),
    ],
)
def test_the_comment_that_editors_read_gives_the_kind(comment, url, name):
    assert detected({"name": "x", "location": "y"}, comment.format(url)) == name


def test_the_field_counts_before_the_comment():
    comment = "# yaml-language-server: $schema=https://azuremlschemas.azureedge.net/latest/data.schema.json"
    assert detected({"$schema": "https://azuremlschemas.azureedge.net/latest/model.schema.json"}, comment) == "model"


@pytest.mark.parametrize(
    "text", ["a: 1\n", "- 1\n", "", "$schema: 5\n", "$schema: https://json.schemastore.org/github-workflow.json\n"]
)
def test_other_documents_have_no_kind(text):
    assert detect_kind(parse_yaml("f.yml", text.encode())[0]) is None
