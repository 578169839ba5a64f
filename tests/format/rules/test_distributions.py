"""The fields of a distribution, which the schema checks, and their numbers, which a rule checks."""

from __future__ import annotations

import pytest

from reconciler.format.rules import distributions
from reconciler.format.schemas import check_against_schema
from reconciler.format.yaml import parse_yaml

HEAD = "command: x\nenvironment: azureml:e:1\ncompute: azureml:c\n"
NODE = "type: pipeline\njobs:\n  a: {{command: x, environment: azureml:e:1, compute: azureml:c, distribution: {}}}\n"


def schema_errors(distribution, template=HEAD + "distribution: {}\n"):
    document, diagnostics = parse_yaml("it.yml", template.format(distribution).encode())
    assert diagnostics == ()
    return [(diagnostic.code, diagnostic.message) for diagnostic in check_against_schema(document, "job")]


@pytest.mark.parametrize("template", [HEAD + "distribution: {}\n", NODE])
@pytest.mark.parametrize(
    "distribution",
    [
        "{type: pytorch, process_count_per_instance: 4}",
        "{type: PyTorch}",
        "{type: mpi, process_count_per_instance: '4'}",
        "{type: tensorflow, worker_count: 2, parameter_server_count: 1}",
        "{type: ray, port: 6379, address: x, include_dashboard: true, dashboard_port: 8265}",
        "{type: ray, head_node_additional_args: --x, worker_node_additional_args: --y}",
    ],
)
def test_the_schema_accepts_the_fields_of_each_framework(distribution, template):
    assert schema_errors(distribution, template) == []


@pytest.mark.parametrize("template", [HEAD + "distribution: {}\n", NODE])
@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("{type: pytorch, worker_count: 4}", ("unknown-field", "unknown field worker_count in distribution")),
        ("{type: mpi, port: 4}", ("unknown-field", "unknown field port in distribution")),
        ("{type: ray, workers: 4}", ("unknown-field", "unknown field workers in distribution")),
        ("{process_count_per_instance: 4}", ("field-missing", "the field type is missing in distribution")),
        ("{type: mpi, process_count_per_instance: many}", ("wrong-value", '"many" is not allowed here')),
        (
            "{type: tensorflow, process_count_per_instance: 4}",
            ("unknown-field", "unknown field process_count_per_instance in distribution"),
        ),
        (
            "{type: horovod}",
            ("wrong-value", '"horovod" is not allowed here; allowed: pytorch, mpi, tensorflow, ray'),
        ),
    ],
)
def test_the_schema_rejects_unknown_fields_and_frameworks(distribution, expected, template):
    assert schema_errors(distribution, template) == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("process_count_per_instance: 0", "process_count_per_instance cannot be 0"),
        ("process_count_per_instance: '-1'", "process_count_per_instance cannot be -1"),
        ("worker_count: 0", "worker_count cannot be 0"),
        ("parameter_server_count: -1", "parameter_server_count cannot be -1"),
        ("port: 65536", "port cannot be 65536"),
        ("dashboard_port: -1", "dashboard_port cannot be -1"),
        ("process_count_per_instance: 8", None),
        ("parameter_server_count: 0", None),
        ("port: 0", None),
        ("worker_count: '${{parent.inputs.n}}'", None),
        ("include_dashboard: false", None),
    ],
)
def test_numbers_out_of_range_are_errors(diagnose, fields, expected):
    node = f"jobs:\n  a:\n    distribution: {{type: x, {fields}}}"
    for text in (node, f"distribution: {{type: x, {fields}}}", f"trial:\n  distribution: {{type: x, {fields}}}"):
        diagnostics = diagnose(distributions.RULES, text)
        assert [diagnostic.message for diagnostic in diagnostics] == ([expected] if expected else [])
        assert all(diagnostic.code == "distribution-range" and diagnostic.hint for diagnostic in diagnostics)
