from __future__ import annotations

import pytest
from planning.project import SCHEMA, TOTAL, declared_by, edited, small

from reconciler.diagnostics import Severity, Span
from reconciler.format.rules import reference_syntax

DATASTORE = "azureml://datastores/store/paths"


@pytest.mark.parametrize(
    "text",
    [
        "environment: azureml:e",
        "environment: azureml:e:1:2",
        "environment: azureml:e@latest",
        "environment: azureml://registries/azureml/environments/e/labels/latest",
        "environment: azureml:/subscriptions/s/resourceGroups/r",
        "jobs: {a: {component: azureml://registries/azureml/components/c}}",
        "model: azureml://locations/l/workspaces/w/models/m/versions/1",
    ],
)
def test_documented_forms_of_references_have_no_diagnostics(check, text):
    assert check(reference_syntax.RULES, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("environment: azureml:azureml:e:1", "reference-malformed 1:14"),
        ("environment: azureml:https://x/y", "reference-malformed 1:14"),
        ("environment: azureml:e/f:1", "reference-malformed 1:14"),
        ("jobs:\n  a:\n    component: azureml://components/c", "reference-malformed 3:16"),
        ("environment: azureml://registries/r/models/m/versions/1", "reference-sort 1:14"),
    ],
)
def test_a_reference_of_another_form_is_an_error(check, text, expected):
    assert check(reference_syntax.RULES, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "azureml:iris",
        "azureml:iris:3",
        "azureml:iris:2024-01-01T10:00",
        "azureml:iris@latest",
        "azureml:${{parent.inputs.x}}",
        "azureml:/subscriptions/S/resourceGroups/R/providers/Microsoft.Synapse/workspaces/W/bigDataPools/P",
        "azureml://registries/azureml/environments/sklearn-1.5/versions/10",
        "azureml://registries/azureml/components/train/labels/latest",
        "azureml://registries/azureml/components/train",
        "azureml://feeds/azureml/models/m/versions/1",
        f"{DATASTORE}/a/b.csv",
        f"{DATASTORE}/${{{{name}}}}/x",
        "azureml://datastores/${{default_datastore}}/paths/x",
        "azureml://subscriptions/S/resourceGroups/R/workspaces/W/datastores/D/paths/P",
        "azureml://locations/westus/workspaces/W/models/m/versions/1",
        "azureml://jobs/sum/outputs/total",
        "azureml://jobs/jobs/sum/outputs/total/paths/a/b",
        "azureml://jobs/block/outputs/artifacts/paths/outputs/m/",
        "azureml://jobs/block/outputs/artifacts/paths/logs",
    ],
)
def test_documented_references_are_valid(text):
    assert reference_syntax.expected_syntax_hint(text) == ""


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("azureml:", "azureml:NAME:VERSION"),
        ("azureml:iris:", "azureml:NAME:VERSION"),
        ("azureml:azureml:iris:1", "azureml:NAME:VERSION"),
        ("azureml:/jobs/sum", "azureml:/subscriptions/"),
        ("azureml://jobs/sum/output/total", "azureml://jobs/JOB/outputs/OUTPUT"),
        ("azureml://job/sum/outputs/total", "did you mean azureml://jobs/?"),
        ("azureml://datastores/store/path/x", "azureml://datastores/DATASTORE/paths/PATH"),
        (f"{DATASTORE}/", "azureml://datastores/DATASTORE/paths/PATH"),
        ("azureml://registries/azureml/enviroments/x/versions/1", "azureml://registries/REGISTRY/TYPE"),
        ("azureml://nonsense", "a URI begins with one of"),
    ],
)
def test_an_invalid_reference_has_a_hint_with_the_expected_syntax(text, hint):
    assert hint in reference_syntax.expected_syntax_hint(text)


def test_a_mistyped_reference_is_an_error_and_not_a_uri():
    (diagnostic,) = declared_by(edited("models/total.yml", "/outputs/", "/output/")).diagnostics
    assert (diagnostic.code, diagnostic.severity, diagnostic.span) == (
        "reference-form",
        Severity.ERROR,
        Span("models/total.yml", 4, 7),
    )


def test_free_text_and_user_defined_fields_are_not_references():
    text = small()["jobs/sum.yml"].replace("factor: 2", "path: azureml:/no").replace("inputs.factor", "inputs.path")
    files = {**small(), "jobs/sum.yml": text + "description: 'azureml://no'\ntags: {model: 'azureml:'}\n"}
    assert declared_by(files).diagnostics == ()


def test_an_output_of_a_job_without_a_name_is_referenced_by_the_path_of_the_job():
    files = edited("jobs/sum.yml", "name: sum\n", "")
    files = edited("models/total.yml", "jobs/sum/outputs", "jobs/jobs/sum/outputs", files)
    (reference,) = declared_by(files).assets[TOTAL].references
    assert (str(reference.address), reference.output) == ("job/jobs/sum", "total")


def test_an_invalid_reference_is_reported_once():
    text = SCHEMA.format("commandJob") + "command: x\nenvironment: azureml:azureml:x:1\ncompute: local\n"
    diagnostics = declared_by({"job.yml": text}).diagnostics
    assert [diagnostic.span for diagnostic in diagnostics] == [Span("job.yml", 3, 14)]
