from __future__ import annotations

import pytest

from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import COMPONENT_RULES, JOB_RULES, bindings, inputs, pipelines, type_flow
from reconciler.format.rules.components import find_included_files
from reconciler.format.rules.graph import pipeline_rule
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

STRUCTURE = [pipeline_rule(*pipelines.STRUCTURE_CHECKS)]
COMPUTE = [pipeline_rule(*pipelines.COMPUTE_CHECKS)]
BINDINGS = [pipeline_rule(*bindings.CHECKS)]
INPUTS = [pipeline_rule(*inputs.CHECKS, *type_flow.CHECKS)]

COMPONENT = """\
    name: train
    command: run
    environment: azureml:e:1
    inputs:
      data: {type: uri_folder}
      rate: {type: number, default: 0.1, min: 0, max: 1}
      epochs: {type: integer, optional: true}
      kind: {type: string, optional: true, enum: [a, b]}
      table: {type: mltable, optional: true}
    outputs:
      model: {type: mlflow_model}
"""
FILES = {"jobs/train.yml": COMPONENT}


def pipeline(nodes: str, inputs: str = "{}") -> str:
    lines = "".join(f"  {line}\n" for line in nodes.splitlines())
    return f"inputs: {inputs}\njobs:\n{lines}"


@pytest.mark.parametrize("name", ["My_node", "my-step", "1st"])
def test_node_names_that_azure_ml_rejects_are_errors(check, name):
    assert check(STRUCTURE, f"jobs:\n  {name}: {{}}\n  my_step1: {{}}\n  _: {{}}\n") == ["node-name 2:3"]


@pytest.mark.parametrize(
    "text",
    [
        "compute: azureml:c\njobs: {a: {command: x}}",
        "settings: {default_compute: serverless}\njobs: {a: {command: x}}",
        "jobs: {a: {command: x, compute: 'azureml:c'}}",
        "jobs: {a: {type: spark, resources: {instance_type: x}}}",
        "jobs: {a: {type: pipeline, component: azureml:p:1}}",
        "jobs: {a: {type: if_else}}",
        "command: x",
    ],
)
def test_nodes_with_a_compute_or_a_default_have_no_diagnostics(check, text):
    assert check(COMPUTE, text) == []


def test_nodes_without_a_compute_are_reported_together_at_the_first(diagnose):
    text = "jobs:\n  a: {command: x, compute: c}\n  b:\n    type: sweep\n  c: {type: spark}\n"
    (diagnostic,) = diagnose(COMPUTE, text)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("node-compute", 3, 3)
    assert diagnostic.message == "2 nodes have no compute: b, c"


def test_a_node_of_a_nested_pipeline_needs_a_compute(diagnose):
    inner = {"jobs/p.yml": "type: pipeline\njobs: {a: {command: x}}"}
    (diagnostic,) = diagnose(COMPUTE, "jobs:\n  b:\n    type: pipeline\n    component: ./p.yml", inner)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.message) == (
        "node-compute",
        4,
        "the node b > a has no compute",
    )
    (diagnostic,) = diagnose(COMPUTE, "type: pipeline\ncomponent: ./p.yml", inner)
    assert (diagnostic.code, diagnostic.span.line) == ("node-compute", 2)


def test_a_pipeline_component_gets_its_compute_from_its_user(check):
    text = "name: p\nversion: '1'\njobs: {a: {command: x, environment: azureml:e:1}}"
    assert check(COMPONENT_RULES, text) == []
    assert check(JOB_RULES, text) == ["node-compute 3:8"]


def test_a_cycle_of_nodes_is_an_error_with_its_path(diagnose):
    text = """\
        jobs:
          a: {inputs: {x: "${{parent.jobs.c.outputs.o}}"}}
          b: {inputs: {x: {path: "${{parent.jobs.a.outputs.o}}"}}}
          c: {inputs: {x: "${{parent.jobs.b.outputs.o}}"}}
          d: {inputs: {x: "${{parent.jobs.c.outputs.o}}"}}
    """
    (diagnostic,) = diagnose(STRUCTURE, text)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("node-cycle", 2, 20)
    assert diagnostic.message == "cycle of nodes: a > c > b > a"


@pytest.mark.parametrize(
    ("source", "cycle"),
    [("b.inputs.x", "b.inputs.x > c.inputs.y > b.inputs.x"), ("b.outputs.o", "b reads its own output")],
)
def test_a_cycle_through_inputs_of_other_nodes_is_an_error(diagnose, source, cycle):
    nodes = "b: {inputs: {x: '${{parent.jobs.c.inputs.y}}'}}\nc: {inputs: {y: '${{parent.jobs.SOURCE}}'}}"
    (diagnostic,) = diagnose(STRUCTURE, pipeline(nodes.replace("SOURCE", source)))
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("node-cycle", 3, 20)
    assert diagnostic.message == f"cycle of nodes: {cycle}"


def test_a_node_that_reads_its_own_output_is_a_cycle(diagnose):
    (diagnostic,) = diagnose(STRUCTURE, "jobs:\n  a: {inputs: {x: '${{parent.jobs.a.outputs.o}}'}}")
    assert (diagnostic.code, diagnostic.message) == ("node-cycle", "cycle of nodes: a reads its own output")


def test_a_chain_of_nodes_is_no_cycle(check):
    text = "jobs:\n" + "".join(
        f"  n{index}: {{inputs: {{x: '${{{{parent.jobs.n{index + 1}.outputs.o}}}}'}}}}\n" for index in range(2000)
    )
    assert check(STRUCTURE, text) == []


def test_a_component_that_includes_itself_is_an_error(check, diagnose):
    inner = {"jobs/p.yml": "jobs: {a: {type: pipeline, component: ./it.yml}}"}
    (diagnostic,) = diagnose(STRUCTURE, "jobs:\n  b:\n    type: pipeline\n    component: ./p.yml", inner)
    assert (diagnostic.code, diagnostic.span.line) == ("component-cycle", 4)
    assert diagnostic.message == "this pipeline includes itself: jobs/it.yml > jobs/p.yml > jobs/it.yml"
    assert check(STRUCTURE, "jobs:\n  b: {type: pipeline, component: ./it.yml}") == ["component-cycle 2:34"]


def test_files_that_include_each_other_are_visited_once(check):
    inner = {
        "jobs/p.yml": "jobs: {a: {type: pipeline, component: ./q.yml}, b: {type: pipeline, component: ./q.yml}}",
        "jobs/q.yml": "jobs: {a: {type: pipeline, component: ./p.yml}, b: {type: pipeline, component: ./p.yml}}",
    }
    assert check(STRUCTURE, "jobs:\n  b: {type: pipeline, component: ./p.yml}", inner) == []
    assert check(COMPUTE, "jobs:\n  b: {type: pipeline, component: ./p.yml}", inner) == []


@pytest.mark.parametrize(
    "value",
    [
        "'${{parent.inputs.data}}'",
        "{path: '${{parent.inputs.data}}', mode: direct}",
        "'${{parent.inputs.group.x}}'",
        "'${{parent.jobs.a.outputs.model}}'",
        "'${{parent.jobs.a.inputs.data}}'",
        "'${{parent.jobs.own.outputs.o}}'",
        "'${{parent.jobs.unknown.outputs.anything}}'",
        "'${{parent.jobs.auto.outputs.best_model}}'",
        "'${{parent.jobs.own.outputs.default}}'",
        "azureml:data:1",
        "'${{name}}'",
    ],
)
def test_bindings_to_existing_inputs_and_outputs_have_no_diagnostics(check, value):
    nodes = (
        "a: {component: ./train.yml}\nown: {command: x, outputs: {o: }}\nunknown: {component: azureml:c:1}\n"
        f"auto: {{type: automl}}\nb: {{command: x, inputs: {{x: {value}}}}}"
    )
    assert check(BINDINGS, pipeline(nodes, "{data: 1, group: {x: 1}}"), FILES) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${{parent.inputs.dat}}", "the pipeline has no input dat"),
        ("${{parent.outputs.o}}", "the pipeline has no output o"),
        ("${{parent.jobs.c.outputs.o}}", "the pipeline has no node c"),
        ("${{parent.jobs.a.outputs.o}}", "the node a has no output o"),
        ("${{parent.jobs.a.inputs.o}}", "the node a has no input o"),
        ("${{parent.jobs.own.outputs.o}}", "the node own has no output o"),
        ("${{parent.jobs.a.o}}", "does not refer to an input or an output of a"),
        ("${{parent.data}}", "does not refer to an input, an output or a node"),
        ("x_${{parent.inputs.dat}}_y", "the pipeline has no input dat"),
    ],
)
def test_a_dangling_binding_is_an_error(diagnose, value, message):
    nodes = f'a: {{component: ./train.yml}}\nown: {{command: x}}\nb:\n  inputs:\n    x: "{value}"'
    (diagnostic,) = diagnose(BINDINGS, pipeline(nodes, "{data: 1}"), FILES)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == (
        "binding-dangling",
        7,
        11 + value.index("${{"),
    )
    assert message in diagnostic.message


def test_a_node_output_can_be_bound_to_a_pipeline_output(check):
    node = 'a:\n  outputs:\n    o: "${{parent.outputs.model}}"\n    p: {path: "${{parent.outputs.mode}}"}'
    assert check(BINDINGS, f"outputs: {{model: }}\n{pipeline(node)}") == ["binding-dangling 7:18"]


def test_a_compute_can_be_an_input_of_the_pipeline(check):
    assert check(BINDINGS, pipeline('a: {compute: "${{parent.inputs.c}}"}', "{c: x}")) == []
    assert check(BINDINGS, pipeline('a: {compute: "${{parent.inputs.d}}"}', "{c: x}")) == ["binding-dangling 3:17"]


def test_the_old_form_of_a_binding_is_a_warning_and_is_checked(check):
    nodes = 'a:\n  inputs:\n    x: "${{inputs.data}}"\n    y: "${{jobs.b.outputs.o}}"'
    assert check(BINDINGS, pipeline(nodes, "{data: 1}")) == [
        "binding-legacy 5:11 warning",
        "binding-dangling 6:11",
        "binding-legacy 6:11 warning",
    ]


def test_an_unknown_expression_as_a_binding_is_an_error(check):
    assert check(BINDINGS, pipeline('a: {inputs: {x: "${{PARENT.INPUTS.X}}"}}')) == ["binding-unknown 3:19"]


def test_a_missing_required_input_of_a_node_is_an_error(check):
    assert check(INPUTS, pipeline("a:\n  component: ./train.yml\n  inputs: {rate: 0.5}"), FILES) == [
        "input-missing 5:5"
    ]
    assert check(INPUTS, pipeline("a:\n  component: file:train.yml"), FILES) == ["input-missing 3:3"]
    assert check(INPUTS, pipeline("a:\n  component: ./train.yml\n  inputs: {data: 'azureml:d:1'}"), FILES) == []


def test_required_inputs_of_an_inline_component_are_checked(check):
    nodes = "a:\n  component:\n    command: x\n    inputs: {data: {type: uri_file}}"
    assert check(INPUTS, pipeline(nodes)) == ["input-missing 3:3"]


def test_the_search_space_of_a_sweep_counts_as_inputs(check):
    nodes = "a:\n  type: sweep\n  trial: ./train.yml\n  search_space: {data: {type: choice, values: [a]}}"
    assert check(INPUTS, pipeline(nodes), FILES) == []


def test_a_missing_required_input_of_a_job_is_an_error(check):
    files = {"jobs/train.yml": f"    type: pipeline\n{COMPONENT}"}
    assert check(INPUTS, "type: pipeline\ncomponent: ./train.yml", files) == ["input-missing 1:1"]


@pytest.mark.parametrize(
    ("node", "component"), [("command", "pipeline"), ("pipeline", "command"), ("parallel", "command")]
)
def test_a_node_of_another_type_than_its_component_is_an_error(diagnose, node, component):
    files = {"jobs/c.yml": f"type: {component}\nname: c"}
    (diagnostic,) = diagnose(INPUTS, pipeline(f"a: {{type: {node}, component: ./c.yml}}"), files)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("node-type", 3, 13)
    assert diagnostic.message == f"jobs/c.yml is a {component} component, which no {node} node can run"


def test_an_output_of_a_pipeline_that_two_nodes_write_is_an_error_at_the_second(diagnose):
    output = "outputs: {o: '${{parent.outputs.all}}'}"
    nodes = pipeline(f"a: {{{output}}}\nb: {{{output}}}")
    (diagnostic,) = diagnose(BINDINGS, f"outputs: {{all: }}\n{nodes}")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("output-twice", 5, 21)
    assert diagnostic.message == "the output all of the pipeline is written by a.o and by b.o"


def test_data_that_is_bound_inside_of_a_text_is_an_error(diagnose):
    nodes = """\
a: {component: ./train.yml, inputs: {data: x}}
b: {inputs: {x: "in/${{parent.jobs.a.outputs.model}}", y: {path: "${{parent.inputs.d}}/x"}}}
c: {inputs: {x: "rate ${{parent.inputs.rate}}"}}"""
    first, second = diagnose(INPUTS, pipeline(nodes, "{d: {path: x}, rate: 1}"), FILES)
    assert (first.code, first.span.line, first.span.column) == ("binding-type", 4, 23)
    assert first.message == "${{parent.jobs.a.outputs.model}} is data, which cannot be a part of a text"
    assert (second.code, second.span.line, second.span.column) == ("binding-type", 4, 69)


def test_an_inline_trial_without_inputs_is_told_where_to_declare_them(diagnose):
    nodes = "a:\n  type: sweep\n  inputs: {data: x}\n  outputs: {model: }\n  trial: {command: echo}"
    assert [diagnostic.hint for diagnostic in diagnose(INPUTS, pipeline(nodes), FILES)] == [
        "it has no inputs; declare it under trial.inputs:",
        "it has no outputs; declare it under trial.outputs:",
    ]


def test_undeclared_inputs_are_warnings_and_undeclared_outputs_errors(diagnose):
    nodes = "a:\n  component: ./train.yml\n  inputs: {data: x, epoch: 3}\n  outputs: {modle: }"
    undeclared_input, undeclared_output = diagnose(INPUTS, pipeline(nodes), FILES)
    assert (
        undeclared_input.code,
        undeclared_input.severity,
        undeclared_input.span.line,
        undeclared_input.span.column,
    ) == ("input-undeclared", "warning", 5, 23)
    assert undeclared_input.hint == "did you mean epochs?"
    assert (
        undeclared_output.code,
        undeclared_output.severity,
        undeclared_output.span.line,
        undeclared_output.span.column,
    ) == ("output-undeclared", "error", 6, 15)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("data: 5", "input-type 5:20"),
        ("data: azureml:d:1", None),
        ("data: x, epochs: abc", "input-type 5:31"),
        ("data: x, epochs: '5'", None),
        ("data: x, epochs: 1.5", "input-type 5:31"),
        ("data: x, epochs: {type: uri_file, path: x}", "input-type 5:31"),
        ("data: x, rate: 7", "input-range 5:29 warning"),
        ("data: x, rate: -0.5", "input-range 5:29 warning"),
        ("data: x, rate: 1e-3", None),
        ("data: x, kind: c", "input-range 5:29 warning"),
        ("data: x, kind: b", None),
        ("data: '${{parent.inputs.number}}'", "input-type 5:21"),
        ("data: x, epochs: '${{parent.inputs.number}}'", None),
        ("data: x, epochs: '${{parent.inputs.word}}'", "input-type 5:32"),
        ("data: x, epochs: '${{parent.inputs.folder}}'", "binding-type 5:32"),
        ("data: '${{parent.jobs.b.outputs.model}}'", None),
        ("data: x, epochs: '${{parent.jobs.b.outputs.model}}'", "binding-type 5:32"),
        ("data: x, table: '${{parent.jobs.c.outputs.o}}'", "binding-type 5:31 warning"),
        ("data: x, epochs: '${{parent.inputs.typed}}'", "binding-type 5:32 warning"),
        ("data: x, rate: '${{parent.inputs.typed}}'", None),
        ("data: x, rate: '${{parent.inputs.number}}'", "input-range 5:30 warning"),
    ],
)
def test_values_are_checked_against_the_declared_type_and_range(check, given, expected):
    given_inputs = "{number: 5, word: abc, folder: {type: uri_folder, path: x}, typed: {type: number}}"
    others = "b: {component: ./train.yml, inputs: {data: x}}\nc: {command: x, outputs: {o: {type: uri_file}}}"
    nodes = f"a:\n  component: ./train.yml\n  inputs: {{{given}}}\n{others}"
    assert check(INPUTS, pipeline(nodes, given_inputs), FILES) == ([expected] if expected else [])


def test_an_optional_input_cannot_be_bound_to_a_required_one(check):
    declared = "{data: {type: uri_folder, optional: true}}"
    nodes = 'a:\n  component: ./train.yml\n  inputs: {data: "${{parent.inputs.data}}"}'
    assert check(INPUTS, pipeline(nodes, declared), FILES) == ["binding-optional 5:21"]


def test_inputs_of_a_component_given_by_reference_are_not_checked(check):
    nodes = "a: {component: azureml:train:1, inputs: {whatever: 1}, outputs: {o: }}"
    assert check(INPUTS, pipeline(nodes)) == []


def test_find_included_files_is_recursive(check):
    texts = {
        "jobs/p.yml": "jobs: {a: {component: sub/c.yml}, b: {type: pipeline, component: ./p.yml}}",
        "jobs/sub/c.yml": "environment: file:e.yml",
        "jobs/sub/e.yml": "image: x",
    }
    files = type(
        "Files",
        (),
        {
            "read_file": lambda _, path: texts[path].encode(),
            "exists": lambda _, path: path in texts,
            "display_path": lambda _, path: path,
        },
    )()
    document, _ = parse_yaml("jobs/it.yml", b"jobs: {a: {component: ./p.yml}}")
    context = RuleContext("jobs/it.yml", document, document.data, files)
    assert [(kind, included.path) for kind, included in find_included_files(context)] == [
        ("component", "jobs/p.yml"),
        ("component", "jobs/sub/c.yml"),
        ("environment", "jobs/sub/e.yml"),
    ]
