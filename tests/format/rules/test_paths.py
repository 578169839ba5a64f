from __future__ import annotations

import pytest

from reconciler.format.rules import paths

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
def test_existing_paths_uris_and_references_have_no_diagnostics(check, text):
    assert check(paths.EXECUTABLE_RULES, text, CODE) == []


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
def test_a_missing_path_that_azure_ml_reads_at_load_is_an_error(check, text, where):
    assert check(paths.EXECUTABLE_RULES, text, CODE) == [f"path-missing {where}"]


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
def test_a_missing_path_that_azure_ml_reads_later_is_a_warning(check, text):
    (diagnostic,) = check(paths.EXECUTABLE_RULES, text, CODE)
    assert diagnostic.startswith("path-missing ")
    assert diagnostic.endswith(" warning")


def test_patterns_expressions_and_placeholders_are_not_checked(check):
    text = "inputs: {a: {path: 'data/*.csv'}, b: {path: '${{parent.inputs.x}}'}, c: {path: '<YOUR FILE>'}}"
    assert check(paths.EXECUTABLE_RULES, text) == []


@pytest.mark.parametrize("code", ["../../elsewhere", "/absolute"])
def test_a_path_outside_the_repository_is_an_error(check, code):
    assert check(paths.EXECUTABLE_RULES, f"code: {code}") == ["path-outside 1:7"]


def test_a_path_is_relative_to_its_file(check):
    assert check(paths.EXECUTABLE_RULES, "code: ../src", {"src/a.py": ""}, "deep/it.yml") == []
    assert check(paths.EXECUTABLE_RULES, "code: ../src", {"src/a.py": ""}, "very/deep/it.yml") == ["path-missing 1:7"]


def test_the_hint_for_a_component_name_without_a_prefix(diagnose):
    (diagnostic,) = diagnose(paths.EXECUTABLE_RULES, "component: train_model")
    assert diagnostic.hint == "for a registered component, write azureml:train_model:VERSION"


def test_an_additional_include_that_exists_in_the_code_is_an_error(check):
    text = "code: src\nadditional_includes:\n  - ../lib/train.py\n  - ../lib/other.py"
    files = {**CODE, "lib/train.py": "", "lib/other.py": ""}
    assert check(paths.EXECUTABLE_RULES, text, files) == ["include-twice 3:5"]


def test_the_paths_of_an_environment_file_are_checked(check):
    assert check(paths.ENVIRONMENT_RULES, "image: a\nconda_file: no.yml", CODE) == ["path-missing 2:13"]
    assert check(paths.ENVIRONMENT_RULES, "build:\n  path: docker", CODE) == []


def test_missing_data_is_a_warning(check):
    assert check(paths.CONTENT_RULES, "path: ./no.csv") == ["path-missing 1:7 warning"]
    assert check(paths.CONTENT_RULES, "path: azureml://datastores/a/paths/b") == []
