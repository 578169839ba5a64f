"""Types of bindings: what is bound to what, at both ends of the node, with components in files and in place."""

from __future__ import annotations

import itertools

import pytest

from reconciler.format.rules import type_flow
from reconciler.format.rules.graph import pipeline_rule
from reconciler.format.rules.values import ASSET_TYPES, PRIMITIVE_TYPES, type_mismatch_severity

RULES = [pipeline_rule(*type_flow.CHECKS)]

PLAIN = {"string", "number", "integer", "boolean"}
REFUSED = {
    *((have, wanted) for have in ("string", "boolean") for wanted in PLAIN - {have, "string"}),
    *((have, "boolean") for have in ("integer", "number")),
    *((have, wanted) for have in PLAIN for wanted in ASSET_TYPES),
    *((have, wanted) for have in ASSET_TYPES for wanted in PLAIN),
    *(("uri_file", folder) for folder in ("uri_folder", "mlflow_model", "triton_model")),
    *((folder, "uri_file") for folder in ("uri_folder", "mlflow_model", "triton_model")),
}
DOUBTED = {
    ("number", "integer"),
    *itertools.permutations(("mltable", "mlflow_model", "triton_model"), 2),
    ("uri_file", "mltable"),
    ("mltable", "uri_file"),
}
TYPES = sorted(ASSET_TYPES | PRIMITIVE_TYPES)


@pytest.mark.parametrize("have", TYPES)
def test_what_goes_for_what(have):
    found = {wanted: type_mismatch_severity(have, wanted) for wanted in TYPES}
    expected = {
        wanted: "error" if (have, wanted) in REFUSED else "warning" if (have, wanted) in DOUBTED else None
        for wanted in TYPES
    }
    assert found == expected


@pytest.mark.parametrize("type_", ["", "path", "${{parent.inputs.type}}", "group"])
def test_what_is_no_type_of_a_value_is_not_compared(type_):
    assert type_mismatch_severity(type_, "integer") is None
    assert type_mismatch_severity("uri_file", type_) is None


def component(inputs: str = "{}", outputs: str = "{}") -> str:
    return f"name: c\ncommand: x\nenvironment: azureml:e:1\ninputs: {inputs}\noutputs: {outputs}\n"


USER = component("{i: {type: integer}, d: {type: uri_folder}}", "{o: {type: uri_folder}}")
MAKER = component(outputs="{f: {type: uri_file}, s: {type: string}, o: {type: uri_folder}}")
FILES = {"jobs/user.yml": USER, "jobs/maker.yml": MAKER}


def node(given: str) -> str:
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
    ("given", "problems"),
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
def test_a_binding_is_held_to_what_the_file_of_the_component_wants(found, given, problems):
    assert _codes(found(RULES, node(given), FILES)) == problems


def test_a_component_written_in_the_node_is_held_to_the_same(found):
    text = node("i: '${{parent.inputs.word}}'").replace("./user.yml", "{command: x, inputs: {i: {type: integer}}}")
    assert _codes(found(RULES, text, FILES)) == ["binding-type"]


def _codes(found):
    return [" ".join(part for part in each.split() if ":" not in part) for each in found]


def test_a_mismatch_is_said_at_the_binding_with_both_types_and_a_cure(diagnostics):
    (each,) = diagnostics(RULES, node("d: '${{parent.inputs.file}}'"), FILES)
    assert each.message == "${{parent.inputs.file}} is of type uri_file, and uri_folder is wanted"
    assert (each.span.line, each.span.column) == (7, 46)
    assert each.hint == "bind to a uri_folder; where it is one after all, write {type: uri_folder, path: BINDING}"


@pytest.mark.parametrize(
    ("declared", "output", "problems"),
    [
        ("{type: uri_file}", "'${{parent.outputs.it}}'", ["binding-type"]),
        ("{type: mlflow_model}", "{path: '${{parent.outputs.it}}'}", []),
        ("{type: uri_folder}", "'${{parent.outputs.it}}'", []),
        ("{mode: upload}", "'${{parent.outputs.it}}'", []),
        ("", "'${{parent.outputs.it}}'", []),
        ("{type: uri_file}", "{type: uri_file, path: '${{parent.outputs.it}}'}", []),
    ],
)
def test_an_output_is_bound_to_one_of_its_type(found, declared, output, problems):
    text = f"outputs:\n  it: {declared}\njobs:\n  a: {{component: ./user.yml, outputs: {{o: {output}}}}}\n"
    assert _codes(found(RULES, text, FILES)) == problems
