"""on_init and on_finalize: what azure-ai-ml asks of them, case by case as it does."""

from __future__ import annotations

import pytest

from reconciler.format.rules import pipeline_hooks

PIPELINE = """\
settings: {{{settings}}}
jobs:
  a: {{command: x, outputs: {{o: }}}}
  b: {{command: x}}
  c: {{command: x, inputs: {{i: {binding}}}}}
"""
PLAIN = "'${{parent.jobs.a.outputs.o}}'"


def pipeline(settings, binding=PLAIN):
    return PIPELINE.format(settings=settings, binding=binding)


@pytest.mark.parametrize(
    "text",
    [
        pipeline(""),
        pipeline("on_init: b"),
        pipeline("on_finalize: b"),
        pipeline("on_init: null"),
        pipeline("on_init: a, on_finalize: b", "'${{parent.inputs.a}}'"),
        "command: x",
        "type: pipeline\ncomponent: azureml:p:1",
    ],
)
def test_a_node_by_itself_can_be_first_or_last(found, text):
    assert found(pipeline_hooks.RULES, text) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("on_init: zz", "on_init names zz, and the pipeline has no such node"),
        ("on_finalize: B", "on_finalize names B, and the pipeline has no such node"),
        ("on_init: 5", "on_init names 5, and the pipeline has no such node"),
        ("on_init: ''", "on_init names , and the pipeline has no such node"),
        ("on_init: azureml:b", "on_init names azureml:b, and the pipeline has no such node"),
        ("on_init: a", "a cannot be on_init, because c reads from a"),
        ("on_finalize: c", "c cannot be on_finalize, because c reads from a"),
        ("on_init: b, on_finalize: b", "b cannot be both on_init and on_finalize"),
    ],
)
def test_what_azure_ml_refuses_is_refused_at_the_setting(diagnostics, settings, message):
    (each,) = diagnostics(pipeline_hooks.RULES, pipeline(settings))
    assert (each.code, each.message, each.span.line) == ("hook-node", message, 1)
    assert each.hint


@pytest.mark.parametrize(
    "binding",
    [
        "'${{jobs.a.outputs.o}}'",
        "{path: '${{parent.jobs.a.outputs.o}}'}",
        "'x-${{parent.jobs.a.outputs.o}}'",
        "'${{parent.jobs.a.inputs.i}}'",
    ],
)
def test_a_node_is_bound_in_whatever_form_the_binding_is_written(found, binding):
    assert found(pipeline_hooks.RULES, pipeline("on_init: a", binding)) == ["hook-node 1:21"]


def test_a_misspelt_node_is_shown_with_what_may_be_meant(diagnostics):
    (each,) = diagnostics(pipeline_hooks.RULES, "settings: {on_init: prepar}\njobs: {prepare: {}, train: {}}")
    assert each.hint == "did you mean prepare?"


def test_something_is_left_to_be_run(diagnostics):
    text = "settings: {on_init: a, on_finalize: b}\njobs: {a: {command: x}, b: {command: x}}"
    (each,) = diagnostics(pipeline_hooks.RULES, text)
    assert each.message == "the pipeline has nothing to run but on_init and on_finalize"


def test_a_pipeline_within_cannot_have_them(diagnostics):
    text = "jobs:\n  n:\n    type: pipeline\n    component: azureml:p:1\n    settings:\n      on_init: a"
    (each,) = diagnostics(pipeline_hooks.RULES, text)
    assert (each.code, each.span.line, each.span.column) == ("hook-node", 6, 7)
    assert each.message == "on_init cannot be set for n, which is a pipeline within this one"


def test_the_nodes_of_a_component_in_a_file_are_known_and_of_a_reference_not(found, diagnostics):
    files = {"jobs/p.yml": "type: pipeline\njobs: {a: {command: x}, b: {command: x}}"}
    text = "type: pipeline\nsettings: {on_init: NAME}\ncomponent: ./p.yml"
    assert found(pipeline_hooks.RULES, text.replace("NAME", "a"), files) == []
    assert found(pipeline_hooks.RULES, text.replace("NAME", "c"), files) == ["hook-node 2:21"]
    (each,) = diagnostics(pipeline_hooks.RULES, text.replace("./p.yml", "azureml:p:1"))
    assert "named by reference" in each.hint
