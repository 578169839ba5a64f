"""The types of bindings to inputs and outputs of nodes, with components in files and inline."""

from __future__ import annotations

import itertools

import pytest

from reconciler.format.rules import type_flow
from reconciler.format.rules.graph import pipeline_rule
from reconciler.format.rules.values import ASSET_TYPES, PRIMITIVE_TYPES, type_mismatch_severity

RULES = [pipeline_rule(*type_flow.CHECKS)]

PRIMITIVES = {"string", "number", "integer", "boolean"}
ERRORS = {
    *((source, target) for source in ("string", "boolean") for target in PRIMITIVES - {source, "string"}),
    *((source, "boolean") for source in ("integer", "number")),
    *((source, target) for source in PRIMITIVES for target in ASSET_TYPES),
    *((source, target) for source in ASSET_TYPES for target in PRIMITIVES),
    *(("uri_file", folder) for folder in ("uri_folder", "mlflow_model", "triton_model")),
    *((folder, "uri_file") for folder in ("uri_folder", "mlflow_model", "triton_model")),
}
WARNINGS = {
    ("number", "integer"),
    *itertools.permutations(("mltable", "mlflow_model", "triton_model"), 2),
    ("uri_file", "mltable"),
    ("mltable", "uri_file"),
}
TYPES = sorted(ASSET_TYPES | PRIMITIVE_TYPES)


@pytest.mark.parametrize("source", TYPES)
def test_severity_of_every_pair_of_types(source):
    severities = {target: type_mismatch_severity(source, target) for target in TYPES}
    expected = {
        target: "error" if (source, target) in ERRORS else "warning" if (source, target) in WARNINGS else None
        for target in TYPES
    }
    assert severities == expected


@pytest.mark.parametrize("type_", ["", "path", "${{parent.inputs.type}}", "group"])
def test_other_types_are_not_compared(type_):
    assert type_mismatch_severity(type_, "integer") is None
    assert type_mismatch_severity("uri_file", type_) is None


def component(inputs: str = "{}", outputs: str = "{}") -> str:
    return f"name: c\ncommand: x\nenvironment: azureml:e:1\ninputs: {inputs}\noutputs: {outputs}\n"


USER = component("{i: {type: integer}, d: {type: uri_folder}}", "{o: {type: uri_folder}}")
MAKER = component(outputs="{f: {type: uri_file}, s: {type: string}, o: {type: uri_folder}}")
FILES = {"jobs/user.yml": USER, "jobs/maker.yml": MAKER}


def pipeline(given: str) -> str:
    return f"""\
inputs: {{word: {{type: string}}, file: {{type: uri_file, path: x}}, bare: {{path: x}}}}
jobs:
  maker: {{component: ./maker.yml}}
  own: {{command: x, outputs: {{f: {{type: uri_file}}}}, inputs: {{n: {{type: number}}}}}}
  far: {{component: azureml:c:1, outputs: {{f: {{type: uri_file}}}}}}
  changed: {{component: ./maker.yml, outputs: {{f: {{type: uri_folder}}}}}}
  user: {{component: ./user.yml, inputs: {{{given}}}}}
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("i: '${{parent.inputs.word}}'", ["binding-type"]),
        ("i: '${{inputs.word}}'", ["binding-type"]),
        ("i: '${{parent.jobs.maker.outputs.s}}'", ["binding-type"]),
        ("i: '${{parent.inputs.bare}}'", ["binding-type"]),
        ("i: '${{parent.jobs.own.inputs.n}}'", ["binding-type warning"]),
        ("i: 'n${{parent.inputs.word}}'", []),
        ("d: '${{parent.inputs.file}}'", ["binding-type"]),
        ("d: '${{parent.inputs.word}}'", ["binding-type"]),
        ("d: '${{parent.inputs.bare}}'", []),
        ("d: {path: '${{parent.inputs.file}}'}", ["binding-type"]),
        ("d: {type: uri_folder, path: '${{parent.inputs.file}}'}", []),
        ("d: {type: uri_folder, path: '${{parent.inputs.word}}'}", ["binding-type"]),
        ("d: '${{parent.jobs.maker.outputs.f}}'", ["binding-type"]),
        ("d: '${{parent.jobs.maker.outputs.o}}'", []),
        ("d: '${{parent.jobs.own.outputs.f}}'", ["binding-type"]),
        ("d: '${{parent.jobs.far.outputs.f}}'", ["binding-type"]),
        ("d: '${{parent.jobs.far.outputs.g}}'", []),
        ("d: '${{parent.jobs.changed.outputs.f}}'", []),
    ],
)
def test_a_binding_is_checked_against_the_types_of_the_component_file(check, given, expected):
    assert _codes(check(RULES, pipeline(given), FILES)) == expected


def test_a_binding_is_checked_against_the_types_of_an_inline_component(check):
    text = pipeline("i: '${{parent.inputs.word}}'").replace("./user.yml", "{command: x, inputs: {i: {type: integer}}}")
    assert _codes(check(RULES, text, FILES)) == ["binding-type"]


def _codes(lines):
    return [" ".join(word for word in line.split() if ":" not in word) for line in lines]


def test_a_mismatch_is_reported_at_the_binding_with_both_types_and_a_hint(diagnose):
    (diagnostic,) = diagnose(RULES, pipeline("d: '${{parent.inputs.file}}'"), FILES)
    assert diagnostic.message == "${{parent.inputs.file}} has type uri_file, expected uri_folder"
    assert (diagnostic.span.line, diagnostic.span.column) == (7, 46)
    assert diagnostic.hint == "bind to a uri_folder; to convert it, write {type: uri_folder, path: BINDING}"


@pytest.mark.parametrize(
    ("declared", "output", "expected"),
    [
        ("{type: uri_file}", "'${{parent.outputs.it}}'", ["binding-type warning"]),
        ("{type: uri_file}", "{path: '${{parent.outputs.it}}'}", ["binding-type warning"]),
        ("{type: uri_file}", "{mode: upload, path: '${{parent.outputs.it}}'}", ["binding-type warning"]),
        ("{type: uri_file}", "{type: uri_folder, path: '${{parent.outputs.it}}'}", []),
        ("{type: string}", "'${{parent.outputs.it}}'", ["binding-type"]),
        ("{type: mlflow_model}", "{path: '${{parent.outputs.it}}'}", []),
        ("{type: uri_folder}", "'${{parent.outputs.it}}'", []),
        ("{mode: upload}", "'${{parent.outputs.it}}'", []),
        ("", "'${{parent.outputs.it}}'", []),
        ("{type: uri_file}", "{type: uri_file, path: '${{parent.outputs.it}}'}", []),
    ],
)
def test_a_node_output_is_bound_to_a_pipeline_output_of_its_type(check, declared, output, expected):
    text = f"outputs:\n  it: {declared}\njobs:\n  a: {{component: ./user.yml, outputs: {{o: {output}}}}}\n"
    assert _codes(check(RULES, text, FILES)) == expected
