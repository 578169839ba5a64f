from __future__ import annotations

import pytest

from reconciler.format.rules import paths, reference_syntax

CODE = {"jobs/src/train.py": "", "jobs/docker/Dockerfile": "", "jobs/conda.yml": "a: b", "jobs/env.yml": "a: b"}


@pytest.mark.parametrize(
    "text",
    [
        "code: src",
        "code: ./src/",
        "code: .",
        "code: ''",
        "code: git+https://example.com/a.git",
        "code: azureml:code:1",
        "environment: {image: a, conda_file: conda.yml}",
        "environment: {image: a, conda_file: {dependencies: [pip]}}",
        "environment: {build: {path: docker}}",
        "environment: file:env.yml",
        "environment: azureml:e:1",
        "jobs: {a: {component: ./conda.yml}, b: {component: file:conda.yml}, c: {component: azureml:c:1}}",
        "additional_includes: [src/train.py, src.zip]",
        "code: src\nentry: {file: train.py}",
        "create_job: ./conda.yml",
        "create_job: azureml:job",
    ],
)
def test_what_exists_or_stands_elsewhere_is_no_problem(found, text):
    assert found(paths.EXECUTABLE_RULES, text, CODE) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("code: sr", "1:7"),
        ("jobs:\n  a:\n    code: ./SRC", "3:11"),
        ("trial:\n  code: sr", "2:9"),
        ("task: {code: sr}", "1:14"),
        ("environment:\n  image: a\n  conda_file: con.yml", "3:15"),
        ("environment:\n  build:\n    path: dock", "3:11"),
        ("environment: file:no.yml", "1:14"),
        ("jobs:\n  a:\n    component: ./no.yml", "3:16"),
        ("jobs:\n  a:\n    component: my_component", "3:16"),
        ("trial: file:no.yml", "1:8"),
        ("additional_includes:\n  - no.py", "2:5"),
        ("create_job: ./no.yml", "1:13"),
        ("create_job:\n  job: ./no.yml", "2:8"),
        ("code: src\nentry:\n  file: no.py", "3:9"),
        ("code: ${{code}}", "1:7"),
    ],
)
def test_what_azure_ml_reads_at_once_must_exist(found, text, where):
    assert found(paths.EXECUTABLE_RULES, text, CODE) == [f"path-missing {where}"]


@pytest.mark.parametrize(
    "text",
    [
        "inputs:\n  a:\n    path: ./no.csv",
        "jobs:\n  n: {inputs: {a: {path: nowhere}}}",
        "training_data: {path: nowhere}",
        "model: {name: m, path: nowhere}",
        "code_configuration: {code: nowhere}",
        "code_configuration: {code: src, scoring_script: no.py}",
        "environment: {build: {path: src}}",
    ],
)
def test_what_azure_ml_reads_later_is_a_warning(found, text):
    (each,) = found(paths.EXECUTABLE_RULES, text, CODE)
    assert each.startswith("path-missing ")
    assert each.endswith(" warning")


def test_paths_of_patterns_and_expressions_are_left_to_the_run(found):
    text = "inputs: {a: {path: 'data/*.csv'}, b: {path: '${{parent.inputs.x}}'}, c: {path: '<YOUR FILE>'}}"
    assert found(paths.EXECUTABLE_RULES, text) == []


@pytest.mark.parametrize("code", ["../../elsewhere", "/absolute"])
def test_a_path_out_of_the_repository_is_refused(found, code):
    assert found(paths.EXECUTABLE_RULES, f"code: {code}") == ["path-outside 1:7"]


def test_a_path_counts_from_the_file_that_holds_it(found):
    assert found(paths.EXECUTABLE_RULES, "code: ../src", {"src/a.py": ""}, "deep/it.yml") == []
    assert found(paths.EXECUTABLE_RULES, "code: ../src", {"src/a.py": ""}, "very/deep/it.yml") == ["path-missing 1:7"]


def test_a_registered_component_without_its_prefix_is_recognised(diagnostics):
    (each,) = diagnostics(paths.EXECUTABLE_RULES, "component: train_model")
    assert each.hint == "a component that is registered is azureml:train_model:VERSION"


def test_an_include_that_is_in_the_code_already_is_refused(found):
    text = "code: src\nadditional_includes:\n  - ../lib/train.py\n  - ../lib/other.py"
    held = {**CODE, "lib/train.py": "", "lib/other.py": ""}
    assert found(paths.EXECUTABLE_RULES, text, held) == ["include-twice 3:5"]


def test_an_environment_of_its_own_names_files_too(found):
    assert found(paths.ENVIRONMENT_RULES, "image: a\nconda_file: no.yml", CODE) == ["path-missing 2:13"]
    assert found(paths.ENVIRONMENT_RULES, "build:\n  path: docker", CODE) == []


def test_data_that_is_not_there_is_a_warning(found):
    assert found(paths.CONTENT_RULES, "path: ./no.csv") == ["path-missing 1:7 warning"]
    assert found(paths.CONTENT_RULES, "path: azureml://datastores/a/paths/b") == []


def test_a_table_needs_its_file(found):
    text = "type: mltable\npath: ./table"
    assert found(paths.CONTENT_RULES, text, {"jobs/table/a.csv": ""}) == ["mltable-missing 2:7 warning"]
    assert found(paths.CONTENT_RULES, text, {"jobs/table/MLTable": ""}) == []


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
def test_a_reference_of_a_documented_form_is_no_problem(found, text):
    assert found(reference_syntax.RULES, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("environment: azureml:azureml:e:1", "reference-malformed 1:14"),
        ("environment: azureml:https://x/y", "reference-malformed 1:14"),
        ("environment: azureml:e/f:1", "reference-malformed 1:14"),
        ("jobs:\n  a:\n    component: azureml://components/c", "reference-malformed 3:16"),
        ("environment: azureml://registries/r/models/m/versions/1", "reference-sort 1:14"),
    ],
)
def test_a_reference_that_can_name_nothing_is_refused(found, text, problem):
    assert found(reference_syntax.RULES, text) == [problem]
