from __future__ import annotations

import pytest

from reconciler.format.expressions import Expression, MalformedExpression, parse_binding, parse_expressions
from reconciler.format.rules import commands

IO = """\
inputs:
  a: {type: integer}
  g: {type: group, values: {x: {type: integer}}}
outputs:
  o: {type: uri_folder}
"""


def test_parse_expressions_returns_names_and_offsets():
    text = "run --a ${{inputs.a}} $[[--b ${{ inputs.b.c }}]]"
    assert list(parse_expressions(text, ("command",))) == [
        Expression(("command",), "${{inputs.a}}", ("inputs", "a"), 8),
        Expression(("command",), "${{ inputs.b.c }}", ("inputs", "b", "c"), 29, optional=True),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ${{inputs.a", "${{inputs.a"),
        ("${{inputs.a ${{inputs.b}}", "${{inputs.a"),
        ("${{}}", "${{}}"),
        ("${{inputs.}}", "${{inputs.}}"),
        ("${{inputs a}}", "${{inputs a}}"),
        ("$[[--a", "$[["),
    ],
)
def test_parse_expressions_returns_malformed_expressions(text, shown):
    malformed = [expression for expression in parse_expressions(text) if isinstance(expression, MalformedExpression)]
    assert [malformed_expression.text for malformed_expression in malformed] == [shown]


def test_a_binding_is_a_value_of_one_expression():
    assert parse_binding(" ${{parent.inputs.a}} ").path == ("parent", "inputs", "a")
    assert parse_binding("${{a.b}}/c") is None
    assert parse_binding("${{a.b}}${{c.d}}") is None
    assert parse_binding(7) is None


@pytest.mark.parametrize(
    "command",
    ["${{inputs.a}}", "${{ inputs.a }}", "${{outputs.o}}", "${{inputs.g.x}}", "${{outputs.o.path}}", "${{name}}", "x"],
)
def test_a_command_can_use_declared_inputs_and_outputs(check, command):
    assert check(commands.COMPONENT_RULES, f"{IO}command: {command}") == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run ${{inputs.b}}", "expression-undeclared 6:14"),
        ("run ${{outputs.a}}", "expression-undeclared 6:14"),
        ("run ${{inputs.g.y}}", "expression-undeclared 6:14"),
        ("run ${{search_space.a}}", "expression-undeclared 6:14"),
        ("run ${{INPUTS.A}}", "expression-unknown 6:14"),
        ("run ${{parent.inputs.a}}", "expression-unknown 6:14"),
        ("run ${{inputs.}}", "expression-malformed 6:14"),
        ("run ${{inputs.a", "expression-malformed 6:14 warning"),
    ],
)
def test_undeclared_expressions_in_a_component_are_errors(check, command, expected):
    assert check(commands.COMPONENT_RULES, f"{IO}command: {command}") == [expected]


def test_the_hint_suggests_the_closest_name(diagnose):
    (diagnostic,) = diagnose(commands.JOB_RULES, "inputs: {learning_rate: 1}\ncommand: x ${{inputs.learning_rte}}")
    assert diagnostic.hint == "did you mean learning_rate?"


def test_the_span_is_that_of_the_expression_in_a_folded_text(check):
    text = "command: >-\n  python train.py\n  --a ${{inputs.a}}\n  --b ${{inputs.b}}\ninputs: {a: 1}\n"
    assert check(commands.JOB_RULES, text) == ["expression-undeclared 4:7"]


def test_undeclared_expressions_in_a_job_are_diagnosed(check):
    assert check(commands.JOB_RULES, "command: echo ${{inputs.a}}") == ["expression-undeclared 1:15"]
    assert check(commands.JOB_RULES, "command: echo ${{github.sha}}") == ["expression-unknown 1:15 warning"]


def test_arguments_of_spark_and_parallel_tasks_are_checked(check):
    assert check(commands.JOB_RULES, "type: spark\nargs: --a ${{inputs.a}}") == ["expression-undeclared 2:11"]
    text = "input_data: ${{inputs.a}}\ntask: {program_arguments: '${{inputs.b}}'}\ninputs: {a: {path: x}}"
    assert check(commands.JOB_RULES, text) == ["expression-undeclared 2:28"]


def test_a_trial_can_use_its_search_space(check):
    text = """\
        type: sweep
        trial:
          command: run ${{search_space.lr}} ${{inputs.data}} ${{search_space.mom}}
        inputs: {data: {path: x}}
        search_space: {lr: {type: uniform}}
    """
    assert check(commands.JOB_RULES, text) == ["expression-undeclared 3:54"]


def test_a_pipeline_node_can_use_its_own_inputs_only(check):
    text = "inputs: {b: 1}\njobs:\n  n:\n    command: run ${{inputs.b}}\n    inputs: {a: 1}"
    assert check(commands.JOB_RULES, text) == ["expression-undeclared 4:18"]


def test_an_optional_input_outside_an_optional_part_is_a_warning(check):
    io = "inputs: {a: {type: integer, optional: true}, b: {type: integer, optional: true, default: 1}}\n"
    text = f"{io}command: run ${{{{inputs.a}}}} ${{{{inputs.b}}}} $[[--a ${{{{inputs.a}}}}]]"
    assert check(commands.COMPONENT_RULES, text) == ["optional-needed 2:14 warning"]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("type: spark, component: ./c.yml, args: '${{inputs.a}} ${{outputs.o}}'", []),
        ("type: spark, component: ./c.yml, args: '${{inputs.b}}'", ["expression-undeclared 2:48"]),
        ("type: spark, component: ./c.yml, inputs: {b: 1}, args: '${{inputs.b}}'", []),
        ("component: file:c.yml, command: 'run ${{outputs.p}}'", ["expression-undeclared 2:45"]),
        ("component: azureml:c:1, args: '${{inputs.b}}'", []),
        ("component: ./gone.yml, args: '${{inputs.b}}'", []),
    ],
)
def test_the_command_of_a_node_is_checked_against_the_file_of_its_component(check, node, expected):
    assert check(commands.JOB_RULES, f"jobs:\n  it: {{{node}}}\n", {"jobs/c.yml": IO}) == expected
