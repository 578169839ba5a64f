"""SARIF as code scanning takes it: its structure, checked against the parts of the standard that we use."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.render.explain_pages import load_pages
from reconciler.render.sarif import diagnostics_to_sarif

FOUND = [
    Diagnostic("unknown-field", "unknown field comand", Span("jobs/train.yml", 3, 5), "did you mean command?"),
    Diagnostic("binding-legacy", "old", Span("jobs/train.yml", 9, 1), severity=Severity.WARNING),
    Diagnostic("unknown-field", "unknown field x", Span("data/ü b#c.yml")),
    Diagnostic("kind-unknown", "new", severity=Severity.NOTE),
]
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
NUMBER = {"type": "integer", "minimum": 1}
# What the standard asks of the objects that we write: the names they may have, and those they must.
STANDARD = {
    "$defs": {
        "rule": {
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "shortDescription": TEXT,
                "fullDescription": TEXT,
                "help": {**TEXT, "properties": {**TEXT["properties"], "markdown": {"type": "string"}}},
            },
            "additionalProperties": False,
        },
        "location": {
            "required": ["physicalLocation"],
            "properties": {
                "physicalLocation": {
                    "required": ["artifactLocation", "region"],
                    "properties": {
                        "artifactLocation": {
                            "properties": {"uri": {"type": "string"}, "uriBaseId": {"type": "string"}},
                            "additionalProperties": False,
                        },
                        "region": {
                            "properties": {"startLine": NUMBER, "startColumn": NUMBER},
                            "additionalProperties": False,
                        },
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "result": {
            "required": ["message"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": TEXT,
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            },
            "additionalProperties": False,
        },
        "driver": {
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
            },
            "additionalProperties": False,
        },
        "run": {
            "required": ["tool", "results"],
            "properties": {
                "tool": {"required": ["driver"], "properties": {"driver": {"$ref": "#/$defs/driver"}}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
            "additionalProperties": False,
        },
    },
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "additionalProperties": False,
}


def test_it_is_what_the_standard_asks_for():
    for found in (FOUND, []):
        assert [
            error.message for error in Draft202012Validator(STANDARD).iter_errors(diagnostics_to_sarif(found, "1.2.3"))
        ] == []


def test_every_result_names_its_rule():
    (run,) = diagnostics_to_sarif(FOUND, "1.2.3")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["binding-legacy", "kind-unknown", "unknown-field"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [diagnostic.code for diagnostic in FOUND]
    assert run["tool"]["driver"]["version"] == "1.2.3"


def test_rules_help_with_the_page_of_their_code():
    rule = diagnostics_to_sarif(FOUND, "1.2.3")["runs"][0]["tool"]["driver"]["rules"][2]
    assert rule["help"]["markdown"] == load_pages()["unknown-field"].body
    assert rule["shortDescription"]["text"].endswith(".")
    assert "helpUri" not in rule


def test_a_result_says_what_where_and_what_to_do():
    first = diagnostics_to_sarif(FOUND, "1.2.3")["runs"][0]["results"][0]
    assert first["message"]["text"] == "unknown field comand\ndid you mean command?"
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 5}


def test_places_are_relative_uris_from_the_top_of_the_repository():
    results = diagnostics_to_sarif(FOUND, "1.2.3", root="ml/")["runs"][0]["results"]
    assert results[2]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "ml/data/%C3%BC%20b%23c.yml"


def test_what_is_in_no_file_has_no_place():
    assert "locations" not in diagnostics_to_sarif(FOUND, "1.2.3")["runs"][0]["results"][3]


def test_a_code_without_a_page_is_a_rule_all_the_same():
    document = diagnostics_to_sarif([Diagnostic("of-a-plug-in", "m")], "1.2.3")
    assert document["runs"][0]["tool"]["driver"]["rules"] == [{"id": "of-a-plug-in"}]
    json.dumps(document)
