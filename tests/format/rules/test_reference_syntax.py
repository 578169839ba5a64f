from __future__ import annotations

import pytest

from reconciler.format.rules import reference_syntax


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
