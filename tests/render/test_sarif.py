"""Diagnostics as SARIF, checked against the parts of the standard that mlgit uses."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from sarif import loader

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.render.explain_pages import load_pages
from reconciler.render.sarif import diagnostics_to_sarif

pytestmark = pytest.mark.fast

DIAGNOSTICS = [
    Diagnostic(
        "unknown-field",
        "unknown field comand",
        Span("jobs/train.yml", 3, 5),
        "did you mean command?",
        places=(Span("jobs/test.yml", 2, 3),),
    ),
    Diagnostic("binding-legacy", "old", Span("jobs/train.yml", 9, 1), severity=Severity.WARNING),
    Diagnostic("unknown-field", "unknown field x", Span("data/ü b#c.yml")),
    Diagnostic("kind-unknown", "new", severity=Severity.NOTE),
]
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
NUMBER = {"type": "integer", "minimum": 1}
# The parts of the SARIF schema for the objects that mlgit writes: allowed and required properties.
SARIF_SCHEMA = {
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
            "required": ["message", "locations"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": TEXT,
                "locations": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/location"}},
                "relatedLocations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
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


def test_the_document_matches_the_standard():
    for diagnostics in (DIAGNOSTICS, []):
        assert [
            error.message
            for error in Draft202012Validator(SARIF_SCHEMA).iter_errors(diagnostics_to_sarif(diagnostics, "1.2.3"))
        ] == []


def test_every_result_has_the_index_of_its_rule():
    (run,) = diagnostics_to_sarif(DIAGNOSTICS, "1.2.3")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["binding-legacy", "kind-unknown", "unknown-field"]
    assert [(rules[result["ruleIndex"]]["id"], result["level"]) for result in run["results"]] == [
        ("unknown-field", "error"),
        ("unknown-field", "error"),
        ("binding-legacy", "warning"),
        ("kind-unknown", "note"),
    ]
    assert run["tool"]["driver"]["version"] == "1.2.3"


def test_the_help_of_a_rule_is_the_page_of_its_code():
    rule = diagnostics_to_sarif(DIAGNOSTICS, "1.2.3")["runs"][0]["tool"]["driver"]["rules"][2]
    assert rule["help"]["markdown"] == load_pages()["unknown-field"].body
    assert rule["shortDescription"]["text"].endswith(".")
    assert "helpUri" not in rule


def test_a_result_has_the_message_the_hint_and_the_position():
    first = diagnostics_to_sarif(DIAGNOSTICS, "1.2.3")["runs"][0]["results"][0]
    assert first["message"]["text"] == "unknown field comand\ndid you mean command?"
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 5}


def test_paths_are_uris_relative_to_the_root_of_the_repository():
    results = diagnostics_to_sarif(DIAGNOSTICS, "1.2.3", root="ml/")["runs"][0]["results"]
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "ml/data/%C3%BC%20b%23c.yml"


def test_a_diagnostic_without_a_file_is_at_the_start_of_mlgit_yml_because_github_refuses_a_result_without_a_place():
    (location,) = diagnostics_to_sarif(DIAGNOSTICS, "1.2.3", root="ml/")["runs"][0]["results"][3]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "ml/mlgit.yml"
    assert location["physicalLocation"]["region"]["startLine"] == 1


@pytest.mark.slow
def test_a_run_has_no_more_results_than_github_takes_and_the_errors_first():
    many = [Diagnostic("a-b", "m", severity=Severity.NOTE)] * 30_000 + DIAGNOSTICS
    results = diagnostics_to_sarif(many, "1.2.3")["runs"][0]["results"]
    assert len(results) == 25_000
    assert [result["level"] for result in results[:4]] == ["error", "error", "warning", "note"]


def test_other_tools_read_the_file(tmp_path):
    file = tmp_path / "results.sarif"
    file.write_text(json.dumps(diagnostics_to_sarif(DIAGNOSTICS, "1.2.3", root="ml/")), encoding="utf-8")
    report = loader.load_sarif_file(str(file)).get_report()
    assert report.get_issue_count_for_severity("error") == 2
    records = report.get_issues_for_severity("error")
    assert {(record["Location"], record["Line"]) for record in records} == {
        ("ml/jobs/train.yml", 3),
        ("ml/data/%C3%BC%20b%23c.yml", 1),
    }


def test_a_code_without_a_page_has_a_rule_with_only_its_id():
    document = diagnostics_to_sarif([Diagnostic("of-a-plug-in", "m")], "1.2.3")
    assert document["runs"][0]["tool"]["driver"]["rules"] == [{"id": "of-a-plug-in"}]
    json.dumps(document)
