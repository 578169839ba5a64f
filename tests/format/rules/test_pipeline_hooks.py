"""The hooks on_init and on_finalize; azure-ai-ml gives the same verdict in each case."""

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
def test_an_unbound_node_can_be_a_hook(check, text):
    assert check(pipeline_hooks.RULES, text) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("on_init: zz", "on_init names zz, but the pipeline has no such node"),
        ("on_finalize: B", "on_finalize names B, but the pipeline has no such node"),
        ("on_init: 5", "on_init names 5, but the pipeline has no such node"),
        ("on_init: ''", "on_init names , but the pipeline has no such node"),
        ("on_init: azureml:b", "on_init names azureml:b, but the pipeline has no such node"),
        ("on_init: a", "on_init cannot be a, because c reads from a"),
        ("on_finalize: c", "on_finalize cannot be c, because c reads from a"),
        ("on_init: b, on_finalize: b", "on_init and on_finalize both name b"),
    ],
)
def test_what_azure_ml_rejects_is_an_error_at_the_setting(diagnose, settings, message):
    (diagnostic,) = diagnose(pipeline_hooks.RULES, pipeline(settings))
    assert (diagnostic.code, diagnostic.message, diagnostic.span.line) == ("hook-node", message, 1)
    assert diagnostic.hint


@pytest.mark.parametrize(
    "binding",
    [
        "'${{jobs.a.outputs.o}}'",
        "{path: '${{parent.jobs.a.outputs.o}}'}",
        "'x-${{parent.jobs.a.outputs.o}}'",
        "'${{parent.jobs.a.inputs.i}}'",
    ],
)
def test_every_form_of_a_binding_is_a_dependency(check, binding):
    assert check(pipeline_hooks.RULES, pipeline("on_init: a", binding)) == ["hook-node 1:21"]


def test_the_hint_suggests_the_closest_node(diagnose):
    (diagnostic,) = diagnose(pipeline_hooks.RULES, "settings: {on_init: prepar}\njobs: {prepare: {}, train: {}}")
    assert diagnostic.hint == "did you mean prepare?"


def test_a_pipeline_needs_nodes_besides_its_hooks(diagnose):
    text = "settings: {on_init: a, on_finalize: b}\njobs: {a: {command: x}, b: {command: x}}"
    (diagnostic,) = diagnose(pipeline_hooks.RULES, text)
    assert diagnostic.message == "the pipeline has no nodes besides on_init and on_finalize"


def test_a_nested_pipeline_cannot_have_hooks(diagnose):
    text = "jobs:\n  n:\n    type: pipeline\n    component: azureml:p:1\n    settings:\n      on_init: a"
    (diagnostic,) = diagnose(pipeline_hooks.RULES, text)
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("hook-node", 6, 7)
    assert diagnostic.message == "on_init cannot be set for n, which is a nested pipeline"


def test_hooks_can_name_nodes_of_a_component_file_but_not_of_a_reference(check, diagnose):
    files = {"jobs/p.yml": "type: pipeline\njobs: {a: {command: x}, b: {command: x}}"}
    text = "type: pipeline\nsettings: {on_init: NAME}\ncomponent: ./p.yml"
    assert check(pipeline_hooks.RULES, text.replace("NAME", "a"), files) == []
    assert check(pipeline_hooks.RULES, text.replace("NAME", "c"), files) == ["hook-node 2:21"]
    (diagnostic,) = diagnose(pipeline_hooks.RULES, text.replace("./p.yml", "azureml:p:1"))
    assert "given by reference" in diagnostic.hint
