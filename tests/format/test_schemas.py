from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from planning.project import SCHEMA
from referencing import Registry, Resource
from workspaces import SMALL

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format import schema_errors, schemas
from reconciler.format.kinds import kinds
from reconciler.format.schema_files import load_schemas
from reconciler.format.schemas import check_against_schema
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import parse_yaml
from reconciler.package_files import data_folder

FILES = sorted(data_folder("schemas").rglob("*.schema.json"))
DATA = SCHEMA.format("data")


def check(text: str, name: str = "data") -> tuple[Diagnostic, ...]:
    document, unreadable = parse_yaml("f.yml", text.encode())
    assert unreadable == ()
    return check_against_schema(document, name)


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from refs(child)
    if isinstance(value, list):
        for child in value:
            yield from refs(child)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_schema_is_valid_and_its_references_resolve(path):
    schema = json.loads(path.read_text("utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    resources = [Resource.from_contents(json.loads(file.read_text("utf-8"))) for file in FILES]
    registry = Registry().with_resources((resource.id() or "", resource) for resource in resources)
    resolver = registry.resolver(schema["$id"])
    assert all(resolver.lookup(ref) for ref in refs(schema))


def test_no_two_schemas_share_an_id():
    ids = [json.loads(path.read_text("utf-8"))["$id"] for path in FILES]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", [*kinds(), "mlgit"])
def test_each_kind_has_a_schema(name):
    assert schemas.schema_id(name) in load_schemas()


def test_a_valid_document_has_no_diagnostics():
    assert check(f"{DATA}name: d\ntype: uri_file\npath: x\n") == ()


def test_an_unknown_field_is_reported_at_its_key_with_a_suggestion():
    (diagnostic,) = check(f"{DATA}name: d\ntype: uri_file\npath: x\ndescripton: y\n")
    assert (diagnostic.code, diagnostic.span) == ("unknown-field", Span("f.yml", 5, 1))
    assert diagnostic.hint == "did you mean description?"


def test_a_nested_unknown_field_is_reported_at_its_key():
    text = "command: c\nenvironment: azureml:e@latest\ninputs:\n  x:\n    pth: y\n    type: uri_file\n"
    diagnostics = check(SCHEMA.format("commandJob") + text, "job")
    unknown = [diagnostic for diagnostic in diagnostics if diagnostic.code == "unknown-field"]
    assert [(diagnostic.span, diagnostic.hint) for diagnostic in unknown] == [
        (Span("f.yml", 6, 5), "did you mean path?")
    ]


@pytest.mark.parametrize("name", ["it's", 'say "x"', "back\\slash", "é", "a b"])
def test_an_unknown_field_with_special_characters_is_reported(name):
    (diagnostic,) = check(f"{DATA}name: d\ntype: uri_file\npath: x\n{json.dumps(name, ensure_ascii=False)}: y\n")
    assert (diagnostic.code, diagnostic.span) == ("unknown-field", Span("f.yml", 5, 1))


def test_an_unknown_field_without_a_suggestion_lists_the_allowed_fields():
    (diagnostic,) = check(f"{DATA}name: d\ntype: uri_file\npath: x\nzzzzzz: y\n")
    assert "path" in diagnostic.hint
    assert "description" in diagnostic.hint


def test_a_missing_field_is_named():
    diagnostics = check(f"{DATA}name: d\ntype: uri_file\n")
    assert [(diagnostic.code, diagnostic.message) for diagnostic in diagnostics] == [
        ("field-missing", "the field path is missing")
    ]


@pytest.mark.parametrize(
    ("value", "description"), [("[1]", "a list"), ("{a: 1}", "a mapping"), ("1.5", "1.5"), ("true", "true")]
)
def test_a_wrong_type_is_reported_at_its_value(value, description):
    (diagnostic,) = check(f"{DATA}name: d\ntype: uri_file\npath: x\ndescription: {value}\n")
    assert (diagnostic.code, diagnostic.span) == ("wrong-type", Span("f.yml", 5, 14))
    assert diagnostic.message == f"this must be a string, not {description}"


def test_a_value_that_is_not_allowed_is_reported_with_a_suggestion():
    (diagnostic,) = check(f"{DATA}name: d\ntype: uri_fil\npath: x\n")
    assert (diagnostic.code, diagnostic.span) == ("wrong-value", Span("f.yml", 3, 7))
    assert "uri_folder" in diagnostic.message
    assert diagnostic.hint in ("did you mean uri_file?", "did you mean uri_folder?")


def test_a_document_that_is_not_a_mapping_has_the_wrong_type():
    (diagnostic,) = check("- 1\n")
    assert (diagnostic.code, diagnostic.span) == ("wrong-type", Span("f.yml", 1, 1))


def test_all_errors_are_reported_in_the_order_of_the_file():
    diagnostics = check(f"{DATA}name: [1]\ntype: nope\ndescription: 5\nunknown: 1\n")
    assert {diagnostic.code for diagnostic in diagnostics} >= {
        "wrong-type",
        "wrong-value",
        "field-missing",
        "unknown-field",
    }
    spans = [diagnostic.span for diagnostic in diagnostics if diagnostic.span]
    assert spans == sorted(spans)
    assert len(diagnostics) == len(set(diagnostics)) == 5


def test_a_text_with_the_end_of_a_line_is_reported_at_its_place_in_a_step_too():
    task = "{type: run_function, entry_script: a.py, environment: azureml:e@latest}"
    node = f"{{type: parallel, task: {task}, mini_batch_size: "
    (diagnostic,) = check(f'type: pipeline\njobs:\n  p: {node}"10kb\\n"}}\n', "job")
    assert (diagnostic.code, diagnostic.span) == ("wrong-value", Span("f.yml", 3, 6 + len(node)))


def test_a_field_of_another_type_is_reported(monkeypatch):
    schema = {
        "type": "object",
        "properties": {"type": {"enum": ["a", "b"]}},
        "if": {"properties": {"type": {"const": "a"}}},
        "then": {"properties": {"of_a": {}}},
        "else": {"properties": {"of_b": {}}},
        "unevaluatedProperties": False,
    }
    monkeypatch.setattr(schemas, "is_valid_for_schema", lambda data, _name: Draft202012Validator(schema).is_valid(data))
    monkeypatch.setattr(schema_errors, "schema_validator", lambda _name: Draft202012Validator(schema))
    (diagnostic,) = check("type: a\nof_b: 1\n", "any")
    assert (diagnostic.code, diagnostic.span, diagnostic.hint) == (
        "unknown-field",
        Span("f.yml", 2, 1),
        "this field belongs to another type",
    )
    assert check("type: b\nof_b: 1\n", "any") == ()


def test_a_suggestion_is_made_only_for_a_similar_name():
    assert did_you_mean("iri", ["iris", "digits"]) == "did you mean iris?"
    assert did_you_mean("zzz", ["iris", "digits"]) == ""


@pytest.mark.parametrize("name", [name for name in SMALL if name.endswith(".yml")])
def test_the_small_workspace_satisfies_its_schemas(name):
    document, _ = parse_yaml(name, SMALL[name].encode())
    kind = {"workspace.yml": "workspace", "mlgit.yml": "mlgit"}.get(name) or name.partition("/")[0].removesuffix("s")
    assert check_against_schema(document, kind) == ()


def test_spark_with_both_compute_and_resources_is_refused_at_the_resources():
    text = (
        "type: spark\ncode: .\nentry: {file: a.py}\ncompute: azureml:c\n"
        "resources: {instance_type: standard_e4s_v3, runtime_version: '3.4'}\n"
        "conf: {spark.driver.cores: 1, spark.driver.memory: 2g, spark.executor.cores: 2, spark.executor.memory: 2g,"
        " spark.executor.instances: 2}\n"
    )
    (diagnostic,) = check_against_schema(parse_yaml("s.yml", text.encode())[0], "job")
    assert str(diagnostic) == (
        "s.yml:5:1: error: resources is not allowed here (Spark runs on compute or with resources; remove one of them.)"
    )
