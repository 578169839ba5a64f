"""A message about an older form, or about a value of a wrong type, shows the form that Azure ML takes today."""

from __future__ import annotations

import pytest

from reconciler.diagnostics import Diagnostic
from reconciler.format.schemas import check_against_schema
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

JOB = "command: x\nenvironment: azureml:e:1\n"
COMPUTE = "name: abc\ntype: amlcompute\n"
PIPELINE = "type: pipeline\njobs:\n"
NODE = "    type: command\n    command: x\n    environment: azureml:e:1\n"
FORMS = {
    "compute with a target": ("job", f"{JOB}compute:\n  target: azureml:c1\n", "write compute: azureml:c1"),
    "compute with a count": (
        "job",
        f"{JOB}compute: {{target: azureml:c1, instance_count: 3}}\n",
        "write compute: azureml:c1, and instance_count: 3 under resources:",
    ),
    "compute of a node": (
        "job",
        f"{PIPELINE}  a:\n{NODE}    compute: {{target: azureml:c1}}\n",
        "write compute: azureml:c1",
    ),
    "code with a local path": ("job", f"{JOB}code:\n  local_path: src\n", "write code: src"),
    "code of a component": (
        "component",
        f"name: c\ntype: command\n{JOB}code: {{local_path: ./src}}\n",
        "write code: ./src",
    ),
    "constant input with a type": (
        "job",
        f"{JOB}inputs:\n  n:\n    type: string\n    default: abc\n    optional: true\n",
        "write the value itself, n: abc;",
    ),
    "constant number with a type": ("job", f"{JOB}inputs: {{n: {{type: number, default: 0.5}}}}\n", "n: 0.5;"),
    "constant truth value with a type": ("job", f"{JOB}inputs: {{n: {{type: boolean, default: true}}}}\n", "n: true;"),
    "input without a value": ("job", f"{JOB}inputs: {{n: {{type: integer}}}}\n", "n: VALUE;"),
    "input with data": ("job", f"{JOB}inputs: {{d: {{data: azureml:d:1}}}}\n", "today this is path:"),
    "input with a data set": ("job", f"{JOB}inputs: {{d: {{dataset: azureml:d:1}}}}\n", "today this is path:"),
    "node name": ("job", f"{PIPELINE}  pre-process-step:\n{NODE}", "write pre_process_step;"),
    "node name with capitals": ("job", f"{PIPELINE}  trainModel:\n{NODE}", "write train_model;"),
    "node name that begins with a digit": ("job", f"{PIPELINE}  1st step:\n{NODE}", "write n_1st_step;"),
    "component name": ("component", f"name: Prep-Data\ntype: command\n{JOB}", "write prep_data;"),
    "tag that is a number": ("job", f"{JOB}tags:\n  build: 42\n", 'write build: "42"'),
    "tag that is a truth value": ("job", f"{JOB}tags:\n  ok: true\n", 'write ok: "true"'),
    "tag with a zero at its end": ("job", f"{JOB}tags:\n  ver: 1.10\n", 'write ver: "1.10"'),
    "tag that is a list": ("job", f"{JOB}tags:\n  list: [a, b]\n", 'write list: "a, b"'),
    "type of a job": ("job", f"type: pipeline_job\n{JOB}", "write type: pipeline"),
    "type of a node": ("job", f"{PIPELINE}  a:\n    type: sweep_job\n", "write type: sweep"),
    "image of an environment": ("environment", "name: e\ndocker: {image: a}\n", "today this is image:"),
    "size of a compute": ("compute", f"{COMPUTE}vm_size: s\n", "today this is size:"),
    "nodes of a compute": (
        "compute",
        f"{COMPUTE}size: s\nmax_nodes: 3\n",
        "today this is max_instances:",
    ),
    "priority of a compute": (
        "compute",
        f"{COMPUTE}size: s\npriority: low\n",
        "today this is tier:",
    ),
}


def diagnostics_of(kind: str, text: str) -> tuple[Diagnostic, ...]:
    return check_against_schema(parse_yaml("f.yml", text.encode())[0], kind)


@pytest.mark.parametrize("name", FORMS)
def test_an_older_form_is_answered_with_the_form_of_today(name):
    kind, text, expected = FORMS[name]
    hints = [diagnostic.hint for diagnostic in diagnostics_of(kind, text)]
    assert any(expected in hint for hint in hints), hints


def test_a_long_value_is_not_repeated_in_a_hint():
    (diagnostic,) = diagnostics_of("job", f"{JOB}compute: {{target: {'c' * 200}}}\n")
    assert len(diagnostic.hint) < 120


@pytest.mark.parametrize("value", ["{}", "[]", "[{a: 1}]", "{a: 1, b: 2}", "{a: {b: c}}"])
def test_a_value_that_stands_for_no_text_has_the_description_of_its_field(value):
    (diagnostic,) = diagnostics_of("job", f"{JOB}compute: {value}\n")
    assert diagnostic.hint.startswith("Where it runs")
