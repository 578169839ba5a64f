"""distribution: which fields go with which framework, said by the schema; which numbers, by a rule."""

from __future__ import annotations

import pytest

from reconciler.format.rules import distributions
from reconciler.format.schemas import check_against_schema
from reconciler.format.yaml import parse_yaml

HEAD = "command: x\nenvironment: azureml:e:1\ncompute: azureml:c\n"
NODE = "type: pipeline\njobs:\n  a: {{command: x, environment: azureml:e:1, compute: azureml:c, distribution: {}}}\n"


def said(distribution, head=HEAD + "distribution: {}\n"):
    document, problems = parse_yaml("it.yml", head.format(distribution).encode())
    assert problems == ()
    return [(diagnostic.code, diagnostic.message) for diagnostic in check_against_schema(document, "job")]


@pytest.mark.parametrize("head", [HEAD + "distribution: {}\n", NODE])
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
def test_each_framework_has_its_fields(distribution, head):
    assert said(distribution, head) == []


@pytest.mark.parametrize("head", [HEAD + "distribution: {}\n", NODE])
@pytest.mark.parametrize(
    ("distribution", "problem"),
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
def test_a_field_or_a_framework_there_is_not_is_refused_with_those_there_are(distribution, problem, head):
    assert said(distribution, head) == [problem]


@pytest.mark.parametrize(
    ("fields", "problem"),
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
def test_numbers_with_which_no_job_can_start_are_refused(diagnostics, fields, problem):
    node = f"jobs:\n  a:\n    distribution: {{type: x, {fields}}}"
    for text in (node, f"distribution: {{type: x, {fields}}}", f"trial:\n  distribution: {{type: x, {fields}}}"):
        found = diagnostics(distributions.RULES, text)
        assert [each.message for each in found] == ([problem] if problem else [])
        assert all(each.code == "distribution-range" and each.hint for each in found)
