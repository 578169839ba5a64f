from __future__ import annotations

import pytest

from reconciler.format.rules import commands
from reconciler.format.rules.expressions import Expression, MalformedExpression, parse_binding, parse_expressions

IO = """\
inputs:
  a: {type: integer}
  g: {type: group, values: {x: {type: integer}}}
outputs:
  o: {type: uri_folder}
"""


def test_expressions_are_values_with_their_place_in_the_text():
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
def test_what_only_looks_like_an_expression_is_told_apart(text, shown):
    malformed = [expression for expression in parse_expressions(text) if isinstance(expression, MalformedExpression)]
    assert [malformed_expression.text for malformed_expression in malformed] == [shown]


def test_a_binding_is_an_expression_and_nothing_else():
    assert parse_binding(" ${{parent.inputs.a}} ").path == ("parent", "inputs", "a")
    assert parse_binding("${{a.b}}/c") is None
    assert parse_binding("${{a.b}}${{c.d}}") is None
    assert parse_binding(7) is None


@pytest.mark.parametrize(
    "command",
    ["${{inputs.a}}", "${{ inputs.a }}", "${{outputs.o}}", "${{inputs.g.x}}", "${{outputs.o.path}}", "${{name}}", "x"],
)
def test_a_command_can_name_what_is_declared(found, command):
    assert found(commands.COMPONENT_RULES, f"{IO}command: {command}") == []


@pytest.mark.parametrize(
    ("command", "problem"),
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
def test_a_component_is_refused_for_what_it_does_not_declare(found, command, problem):
    assert found(commands.COMPONENT_RULES, f"{IO}command: {command}") == [problem]


def test_a_close_name_is_suggested(diagnostics):
    (each,) = diagnostics(commands.JOB_RULES, "inputs: {learning_rate: 1}\ncommand: x ${{inputs.learning_rte}}")
    assert each.hint == "did you mean learning_rate?"


def test_the_place_is_that_of_the_expression_even_in_a_folded_text(found):
    text = "command: >-\n  python train.py\n  --a ${{inputs.a}}\n  --b ${{inputs.b}}\ninputs: {a: 1}\n"
    assert found(commands.JOB_RULES, text) == ["expression-undeclared 4:7"]


def test_a_job_is_held_to_what_it_declares_as_well(found):
    assert found(commands.JOB_RULES, "command: echo ${{inputs.a}}") == ["expression-undeclared 1:15"]
    assert found(commands.JOB_RULES, "command: echo ${{github.sha}}") == ["expression-unknown 1:15 warning"]


def test_arguments_of_spark_and_of_parallel_tasks_are_looked_at(found):
    assert found(commands.JOB_RULES, "type: spark\nargs: --a ${{inputs.a}}") == ["expression-undeclared 2:11"]
    text = "input_data: ${{inputs.a}}\ntask: {program_arguments: '${{inputs.b}}'}\ninputs: {a: {path: x}}"
    assert found(commands.JOB_RULES, text) == ["expression-undeclared 2:28"]


def test_a_trial_can_name_what_is_searched(found):
    text = """\
        type: sweep
        trial:
          command: run ${{search_space.lr}} ${{inputs.data}} ${{search_space.mom}}
        inputs: {data: {path: x}}
        search_space: {lr: {type: uniform}}
    """
    assert found(commands.JOB_RULES, text) == ["expression-undeclared 3:54"]


def test_nodes_of_a_pipeline_name_what_is_their_own(found):
    text = "inputs: {b: 1}\njobs:\n  n:\n    command: run ${{inputs.b}}\n    inputs: {a: 1}"
    assert found(commands.JOB_RULES, text) == ["expression-undeclared 4:18"]


def test_an_optional_input_belongs_in_an_optional_part(found):
    io = "inputs: {a: {type: integer, optional: true}, b: {type: integer, optional: true, default: 1}}\n"
    text = f"{io}command: run ${{{{inputs.a}}}} ${{{{inputs.b}}}} $[[--a ${{{{inputs.a}}}}]]"
    assert found(commands.COMPONENT_RULES, text) == ["optional-needed 2:14 warning"]


@pytest.mark.parametrize(
    ("node", "problems"),
    [
        ("type: spark, component: ./c.yml, args: '${{inputs.a}} ${{outputs.o}}'", []),
        ("type: spark, component: ./c.yml, args: '${{inputs.b}}'", ["expression-undeclared 2:48"]),
        ("type: spark, component: ./c.yml, inputs: {b: 1}, args: '${{inputs.b}}'", []),
        ("component: file:c.yml, command: 'run ${{outputs.p}}'", ["expression-undeclared 2:45"]),
        ("component: azureml:c:1, args: '${{inputs.b}}'", []),
        ("component: ./gone.yml, args: '${{inputs.b}}'", []),
    ],
)
def test_what_a_node_says_in_place_of_its_component_is_held_to_the_file_of_that(found, node, problems):
    assert found(commands.JOB_RULES, f"jobs:\n  it: {{{node}}}\n", {"jobs/c.yml": IO}) == problems
