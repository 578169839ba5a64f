"""Texts that look like an expression and are none: a warning, because the text reaches the shell as it is."""

from __future__ import annotations

import pytest

from reconciler.format.rules import commands

pytestmark = pytest.mark.fast

INTERFACE = "inputs:\n  a: {type: uri_folder}\noutputs:\n  o: {type: uri_folder}\n"
LOOKALIKES = {
    "$ {{inputs.a}}": "${{inputs.a}}",
    "$  {{ inputs.a }}": "${{inputs.a}}",
    "{{inputs.a}}": "${{inputs.a}}",
    "{{ outputs.o }}": "${{outputs.o}}",
    "{{$a}}": "${{a}}",
    "{{name}}": "${{name}}",
    "${inputs.a}": "${{inputs.a}}",
    "${ search_space.lr }": "${{search_space.lr}}",
}
TEXTS = ["${{inputs.a}}", "$HOME", "${HOME}", "a{b}", "{{}}", "{{.Names}}", "{{ 1 }}", "$(date)", "{a,b}", "${HOME.x}"]
FIELDS = {
    "command of a component": "name: c\ncommand: x --a TEXT --o ${{outputs.o}}\n" + INTERFACE,
    "command in several lines": "name: c\ncommand: >-\n  x\n  --a TEXT\n" + INTERFACE,
    "arguments": "name: c\ncommand: x\nargs: --a TEXT\n" + INTERFACE,
    "arguments of a parallel task": "name: c\ntask:\n  program_arguments: --a TEXT\n" + INTERFACE,
}
NODE = "type: pipeline\njobs:\n  n:\n    component: azureml:c:1\n    inputs:\n      a: TEXT\n"


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", LOOKALIKES)
def test_a_lookalike_in_a_command_is_a_warning_at_its_place_with_the_expression(diagnose, field, text):
    source = FIELDS[field].replace("TEXT", text)
    (diagnostic,) = diagnose([commands.CommandExpressionRule(is_component=True)], source)
    assert (diagnostic.code, diagnostic.severity) == ("expression-malformed", "warning")
    assert diagnostic.message.startswith(f"{text} is not an expression")
    assert diagnostic.hint == f"write {LOOKALIKES[text]}"
    line = source.splitlines()[diagnostic.span.line - 1]
    assert line[diagnostic.span.column - 1 :].startswith(text)


@pytest.mark.parametrize("text", ["{{parent.inputs.a}}", "$ {{parent.jobs.x.outputs.o}}", "${parent.inputs.a}"])
def test_a_lookalike_of_a_binding_is_a_warning(check, text):
    source = NODE.replace("TEXT", f"'{text}'")
    assert check([commands.CommandExpressionRule()], source) == ["expression-malformed 6:11 warning"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("field", FIELDS)
def test_other_texts_are_fine(check, field, text):
    assert check([commands.CommandExpressionRule(is_component=True)], FIELDS[field].replace("TEXT", text)) == []


@pytest.mark.parametrize("text", ["Answer {{question}}", "{{name}}", "{% if a %}", "a {{ b.c }}"])
def test_a_template_of_another_program_as_an_input_is_fine(check, text):
    assert check([commands.CommandExpressionRule()], NODE.replace("TEXT", f"'{text}'")) == []
