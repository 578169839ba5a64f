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
def test_a_legal_name_is_no_problem(found, rules, name):
    assert found(rules, f"name: {name}") == []


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
def test_an_illegal_name_is_refused_where_it_stands(found, rules, name):
    assert found(rules, f"type: x\nname: {name}") == ["name-illegal 2:7"]


def test_a_name_still_to_be_filled_in_is_a_warning(found):
    assert found(names.COMPUTE_RULES, "name: <MY_CLUSTER>") == ["name-placeholder 1:7 warning"]


def test_a_dot_that_registries_allow_is_a_warning(found):
    assert found(names.CONTAINER_RULES, "name: sklearn-1.5") == ["name-dotted 1:7 warning"]


@pytest.mark.parametrize("name", ["AzureML-sklearn", "microsoft-env"])
def test_environments_of_microsoft_keep_their_names(found, name):
    assert found([names.check_reserved_name], f"name: {name}") == ["name-reserved 1:7"]
    assert found([names.check_reserved_name], "name: my-azureml-env") == []


@pytest.mark.parametrize("version", ["1.10", "010", "1_000", "0x1F", "yes", "1.0e+3", "1.50", "2024-01-31", "2024-1-3"])
def test_a_version_that_yaml_reads_otherwise_is_shown_as_typed(diagnostics, version):
    (each,) = diagnostics([names.check_ambiguous_version], f"name: a\nversion: {version}\n")
    assert (each.code, each.span.line, each.span.column) == ("version-ambiguous", 2, 10)
    assert each.hint == f'write version: "{version}"'


@pytest.mark.parametrize(
    "version", ["1", "1.5", '"1.10"', "'010'", '"2024-01-31"', "v2024-01-31", "1.0.0", "!!str 1.10"]
)
def test_a_version_that_means_what_it_says_is_no_problem(found, version):
    assert found([names.check_ambiguous_version], f"name: a\nversion: {version}\n") == []
    assert found([names.check_ambiguous_version], f"version: {version}   # and no more") == []


@pytest.mark.parametrize("version", ["1:2", "a/b", "'1 2'", "a@b"])
def test_a_version_that_no_reference_can_name_is_refused(found, version):
    assert found([names.check_version_characters], f"version: {version}") == ["version-illegal 1:10"]
    assert found([names.check_version_characters], "version: 1.0.0-rc_1") == []


def test_a_version_without_a_name_is_refused(found):
    assert found([names.check_version_without_name], "path: a\nversion: '1'") == ["version-unnamed 2:1"]
    assert found([names.check_version_without_name], "name: a\nversion: '1'") == []


def test_inputs_of_components_have_names_that_expressions_can_use(found):
    text = "inputs:\n  my-input: {type: string}\n  group.x: {type: string}\n"
    assert found(io_names.COMPONENT_RULES, text) == ["port-name 2:3"]
    assert found(io_names.JOB_RULES, text) == ["port-name 2:3 warning"]


def test_inputs_that_differ_in_case_only_are_refused(found):
    text = "inputs:\n  data: {type: string}\n  Data: {type: string}\noutputs:\n  DATA: {type: uri_file}\n"
    assert found(io_names.COMPONENT_RULES, text) == ["port-twice 3:3"]
