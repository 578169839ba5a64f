from __future__ import annotations

import pytest

from reconciler.format.rules import io_names, names


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (names.COMPUTE_RULES, "cpu-cluster"),
        (names.COMPUTE_RULES, "gpu-4x"),
        (names.CONTAINER_RULES, "9_lives-of-" + "a" * 244),
        (names.WORKSPACE_RULES, "abc"),
        (names.REGISTRY_RULES, "a_b"),
        (names.ENDPOINT_RULES, "a-1"),
    ],
)
def test_valid_names_have_no_diagnostics(check, rules, name):
    assert check(rules, f"name: {name}") == []


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (names.COMPUTE_RULES, "cluster-12"),
        (names.COMPUTE_RULES, "ab"),
        (names.COMPUTE_RULES, "snake_case"),
        (names.CONTAINER_RULES, "_hidden"),
        (names.CONTAINER_RULES, "azureml:iris"),
        (names.CONTAINER_RULES, "a" * 256),
        (names.WORKSPACE_RULES, "ab"),
        (names.REGISTRY_RULES, "a" * 33),
        (names.ENDPOINT_RULES, "ends-with-"),
        (names.ENDPOINT_RULES, "a" * 33),
    ],
)
def test_an_invalid_name_is_an_error_at_the_name(check, rules, name):
    assert check(rules, f"type: x\nname: {name}") == ["name-illegal 2:7"]


def test_a_placeholder_name_is_a_warning(check):
    assert check(names.COMPUTE_RULES, "name: <MY_CLUSTER>") == ["name-placeholder 1:7 warning"]


def test_a_dot_in_a_name_is_a_warning(check):
    assert check(names.CONTAINER_RULES, "name: sklearn-1.5") == ["name-dotted 1:7 warning"]


@pytest.mark.parametrize("name", ["AzureML-sklearn", "microsoft-env"])
def test_names_of_microsoft_environments_are_reserved(check, name):
    assert check([names.check_reserved_name], f"name: {name}") == ["name-reserved 1:7"]
    assert check([names.check_reserved_name], "name: my-azureml-env") == []


@pytest.mark.parametrize("version", ["1.10", "010", "1_000", "0x1F", "yes", "1.0e+3", "1.50", "2024-01-31", "2024-1-3"])
def test_a_version_that_yaml_converts_is_an_error_with_the_quoted_text(diagnose, version):
    (diagnostic,) = diagnose([names.check_ambiguous_version], f"name: a\nversion: {version}\n")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("version-ambiguous", 2, 10)
    assert diagnostic.hint == f'write version: "{version}"'


@pytest.mark.parametrize(
    "version", ["1", "1.5", '"1.10"', "'010'", '"2024-01-31"', "v2024-01-31", "1.0.0", "!!str 1.10"]
)
def test_unambiguous_versions_have_no_diagnostics(check, version):
    assert check([names.check_ambiguous_version], f"name: a\nversion: {version}\n") == []
    assert check([names.check_ambiguous_version], f"version: {version}   # and no more") == []


@pytest.mark.parametrize("version", ["'1:2'", "a/b", "'1 2'", "a@b"])
def test_a_version_that_no_reference_can_name_is_an_error(check, version):
    assert check([names.check_version_characters], f"version: {version}") == ["version-illegal 1:10"]
    assert check([names.check_version_characters], "version: 1.0.0-rc_1") == []


def test_a_version_without_a_name_is_an_error(check):
    assert check([names.check_version_without_name], "path: a\nversion: '1'") == ["version-unnamed 2:1"]
    assert check([names.check_version_without_name], "name: a\nversion: '1'") == []


def test_io_names_that_no_expression_can_use_are_diagnosed(check):
    text = "inputs:\n  my-input: {type: string}\n  group.x: {type: string}\n"
    assert check(io_names.COMPONENT_RULES, text) == ["port-name 2:3"]
    assert check(io_names.JOB_RULES, text) == ["port-name 2:3 warning"]
    assert check(io_names.JOB_RULES, f"jobs:\n  a:\n    {text.splitlines()[0]}\n      1a: 2\n") == [
        "port-name 4:7 warning"
    ]


@pytest.mark.parametrize("name", ["../a", "a/b", "..", '"a\\u0000"', "a" * 201])
def test_io_names_that_no_folder_can_have_are_errors(check, name):
    assert check(io_names.JOB_RULES, f"outputs:\n  {name}: {{type: uri_folder}}\n") == ["port-name 2:3"]


def test_inputs_that_differ_only_in_case_are_an_error(check):
    text = "inputs:\n  data: {type: string}\n  Data: {type: string}\noutputs:\n  DATA: {type: uri_file}\n"
    assert check(io_names.COMPONENT_RULES, text) == ["port-twice 3:3"]
