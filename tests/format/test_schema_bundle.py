"""A bundled schema is self-contained and equivalent to the schema files it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from reconciler.format.detect import detect_kind
from reconciler.format.kinds import kinds
from reconciler.format.schema_bundle import bundle_schema, schema_property_names
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.yaml import parse_yaml

TEMPLATE = Path(__file__).parent.parent.parent / "workspace-template"
# What is no asset: settings, workflows, policies, conda files.
OTHERS = {"mlgit.yml", "conda.yml", "policies", ".github"}
BASE = "https://example.org/"


def schemas(**files: Any) -> dict[str, Any]:
    return {f"{BASE}{name}": {"$id": f"{BASE}{name}", **schema} for name, schema in files.items()}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (target for key, target in value.items() if key == "$ref" and isinstance(target, str))
        value = list(value.values())
    for child in value if isinstance(value, list) else ():
        yield from references(child)


def errors(validator: Draft202012Validator, document: Any) -> list[tuple[str, str]]:
    return sorted((error.json_path, error.message) for error in validator.iter_errors(document))


def mutations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the document, and versions of it with a field removed, misspelt or of another type."""
    yield document
    for name, value in document.items():
        rest = {key: other for key, other in document.items() if key != name}
        yield from (rest, {**rest, f"{name}x": value}, {**rest, name: [value]}, {**rest, name: {"x": 1}})


@pytest.mark.parametrize("kind", kinds())
def test_a_bundle_refers_to_no_other_file(kind):
    targets = references(bundle_schema(schema_id(kind), load_schemas()))
    assert [target for target in targets if not target.startswith("#")] == []


@pytest.mark.parametrize("kind", kinds())
def test_a_bundle_is_a_valid_schema(kind):
    jsonschema_rs.meta.validate(bundle_schema(schema_id(kind), load_schemas()))


@pytest.mark.parametrize("path", sorted(TEMPLATE.rglob("*.yml")), ids=lambda path: path.name)
def test_a_bundle_gives_the_same_errors_as_the_schema_files(path):
    document = parse_yaml(path.name, path.read_bytes())[0]
    kind, data = detect_kind(document), document.data
    if kind is None:
        assert OTHERS & set(path.relative_to(TEMPLATE).parts)
        return
    resources = ((url, Resource.from_contents(schema)) for url, schema in load_schemas().items())
    registry = Registry().with_resources(resources)
    original = Draft202012Validator(load_schemas()[schema_id(kind.name)], registry=registry)
    bundled = Draft202012Validator(bundle_schema(schema_id(kind.name), load_schemas()))
    assert errors(bundled, data) == []
    for document in mutations(data):
        assert errors(bundled, document) == errors(original, document)


def test_references_are_resolved_relative_to_their_file():
    files = schemas(
        **{
            "a.json": {"properties": {"x": {"$ref": "inner/b.json"}}},
            "inner/b.json": {"items": {"$ref": "#/$defs/c"}, "$defs": {"c": {"$ref": "../d.json#/$defs/e"}}},
            "d.json": {"$defs": {"e": {"type": "string"}, "unused": {"type": "null"}}},
        }
    )
    bundled = bundle_schema(f"{BASE}a.json", files)
    assert "null" not in str(bundled)
    assert errors(Draft202012Validator(bundled), {"x": ["fine", 1]}) == [("$.x[1]", "1 is not of type 'string'")]


def test_a_part_that_refers_to_itself_is_bundled_once():
    files = schemas(
        **{
            "a.json": {"$ref": "#/$defs/tree"}
            | {"$defs": {"tree": {"additionalProperties": {"$ref": "#/$defs/tree"}}}},
        }
    )
    bundled = bundle_schema(f"{BASE}a.json", files)
    assert len(bundled["$defs"]) == 1
    assert errors(Draft202012Validator(bundled), {"a": {"b": {}}}) == []


def test_a_schema_may_refer_to_itself_as_a_whole():
    files = schemas(**{"a.json": {"type": "object", "properties": {"below": {"$ref": "#"}}}})
    bundled = bundle_schema(f"{BASE}a.json", files)
    assert len(errors(Draft202012Validator(bundled), {"below": {"below": 1}})) == 1


def test_fields_named_like_keywords_are_fields():
    files = schemas(
        **{
            "a.json": {
                "properties": {"default": {"$ref": "b.json"}, "$ref": {"type": "string"}},
                "default": {"$ref": 1},
            },
            "b.json": {"type": "integer"},
        }
    )
    bundled = bundle_schema(f"{BASE}a.json", files)
    assert bundled["default"] == {"$ref": 1}
    assert len(errors(Draft202012Validator(bundled), {"default": "x", "$ref": 1})) == 2


def test_a_missing_part_is_named_in_the_error():
    with pytest.raises(KeyError, match=r"a\.json#/\$defs/missing"):
        bundle_schema(f"{BASE}a.json", schemas(**{"a.json": {"$ref": "#/$defs/missing"}}))


def test_property_names_are_those_of_all_branches_in_order():
    files = schemas(
        **{
            "a.json": {
                "properties": {"one": {}},
                "allOf": [
                    {"if": {"properties": {"no": {}}}, "then": {"$ref": "b.json"}, "else": {"properties": {"z": {}}}}
                ],
            },
            "b.json": {"properties": {"two": {"properties": {"deeper": {}}}, "one": {}}},
        }
    )
    assert schema_property_names(bundle_schema(f"{BASE}a.json", files)) == ("one", "two", "z")
