"""A diagnostic with several places is one in every format, and each format has all or the first of them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from reconciler.diagnostics import Diagnostic, Severity, Span, within_paths
from reconciler.render import markdown, plan_json, text
from reconciler.render.github import diagnostics_to_github
from reconciler.render.sarif import diagnostics_to_sarif

pytestmark = pytest.mark.fast

SCHEMA = Path(__file__).parents[2] / "schemas/diagnostics.schema.json"
PLACES = tuple(Span(f"jobs/{number}.yml", number, 3) for number in range(1, 20))
DIAGNOSTIC = Diagnostic(
    "reference-dangling", "azureml:d refers to data/d", Span("jobs/0.yml", 7, 3), "a hint", Severity.ERROR, PLACES
)


def test_text_has_the_first_place_and_the_number_of_those_that_are_not_shown():
    first, hint, places = text.format_diagnostics([DIAGNOSTIC]).splitlines()
    assert first == "jobs/0.yml:7:3: error: azureml:d refers to data/d [reference-dangling]"
    assert hint == "  help: a hint"
    assert places.startswith("  also at jobs/1.yml:1:3, jobs/2.yml:2:3, ")
    assert places.endswith(", jobs/10.yml:10:3 and 9 more")


def test_json_has_all_places_and_satisfies_its_schema():
    document = plan_json.diagnostics_to_json([DIAGNOSTIC], 20)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    (diagnostic,) = document["diagnostics"]
    assert [(place["path"], place["line"]) for place in diagnostic["places"]] == [(s.path, s.line) for s in PLACES]
    assert "places" not in plan_json.diagnostic_to_json(Diagnostic("code", "message"))


def test_github_and_sarif_and_a_comment_have_one_entry_with_all_places():
    (command,) = diagnostics_to_github([DIAGNOSTIC], "sub/").splitlines()
    assert command.startswith("::error file=sub/jobs/0.yml,line=7,col=3,")
    assert all(f"sub/{place}" in command for place in PLACES)
    ((result,),) = (run["results"] for run in diagnostics_to_sarif([DIAGNOSTIC], "1")["runs"])
    assert len(result["locations"]) == 1
    lines = [location["physicalLocation"]["region"]["startLine"] for location in result["relatedLocations"]]
    assert lines == [place.line for place in PLACES]
    (line,) = [line for line in markdown.errors_to_markdown([DIAGNOSTIC]).splitlines() if line.startswith("- ")]
    assert "and 16 more" in line


def test_a_diagnostic_is_restricted_to_the_files_that_are_meant():
    restricted = within_paths(DIAGNOSTIC, {"jobs/3.yml", "jobs/5.yml"}.__contains__)
    assert restricted is not None
    assert (restricted.span, restricted.places) == (PLACES[2], (PLACES[4],))
    assert within_paths(DIAGNOSTIC, {"data/d.yml"}.__contains__) is None
    without_place = Diagnostic("code", "message")
    assert within_paths(without_place, {"data/d.yml"}.__contains__) is without_place
