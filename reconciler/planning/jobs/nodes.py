"""What expressions in the nodes of one pipeline stand for: inputs of the pipeline, and what other nodes get and write.

``${{parent.inputs.x}}``, ``${{parent.outputs.x}}``, ``${{parent.jobs.a.outputs.y}}``, ``${{parent.jobs.a.inputs.x}}``,
and the same without ``parent.``, as older files have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.format.expressions import Expression, parse_binding, parse_expressions
from reconciler.model import DEFAULT_ARTIFACTS, EMPTY_MAPPING, Json
from reconciler.model.resolved import StepOutput
from reconciler.planning.jobs.sources import Part

PIPELINE, SWEEP, COMMAND, PARALLEL = "pipeline", "sweep", "command", "parallel"
_PARENT, _INPUTS, _OUTPUTS, _JOBS = "parent", "inputs", "outputs", "jobs"
DEFAULT_OUTPUTS = frozenset({"default", DEFAULT_ARTIFACTS})
_NODE_BINDING_LENGTH = 4  # jobs.NODE.outputs.NAME
_PATH, _VALUE, _DEFAULT = "path", "value", "default"
DATA_TYPES = frozenset(
    {"uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model", "path", "any"}
)


class Value(NamedTuple):
    """What an input gets: a part that is written somewhere, or the output of another step.

    ``settings`` are the type and the mode that a mapping around a binding says, by name.
    """

    origin: Part | StepOutput
    settings: Mapping[str, Part]


class Node(NamedTuple):
    """A node of a pipeline. ``path`` is that of its step, ``component`` its component, itself if it is written inline.

    It ``declares_ports`` if the component says which inputs and outputs there are. A nested pipeline has ``nodes`` and
    ``outputs``, by name the outputs of the steps in it that they are.
    """

    path: str
    part: Part
    component: Part
    type: str
    declares_ports: bool = False
    nodes: Mapping[str, Node] = EMPTY_MAPPING
    outputs: Mapping[str, StepOutput] = EMPTY_MAPPING


@dataclass(frozen=True, slots=True)
class Scope:
    """A pipeline from the inside: its nodes and inputs by name.

    ``outputs`` are what is said of each output of the pipeline, from the inside out. ``compute`` is that of nodes
    that name none.
    """

    nodes: Mapping[str, Node]
    inputs: Mapping[str, Value]
    outputs: Mapping[str, tuple[Part, ...]]
    compute: Part | None = None
    is_deterministic: bool = True


def value_of(part: Part) -> Part | None:
    """Return what an input is given: a literal, data, or its default; None if it has no value."""
    if not isinstance(part.value, Mapping):
        return part if part.value is not None else None
    if part.fields.get(_PATH) is not None or part.fields.get(_VALUE) is not None:
        return part
    default = part.child(_DEFAULT)
    if default.value is None:
        return None
    is_data = str(part.fields.get("type", "")).lower() in DATA_TYPES and not isinstance(default.value, Mapping)
    return Part(part.source, part.pointer, {_PATH: default.value}) if is_data else default


def find_binding(part: Part) -> tuple[str, ...] | None:
    """Return the names of the binding that a value, or its path, is, without ``parent``; None for any other value."""
    expression = parse_binding(part.fields.get(_PATH) if isinstance(part.value, Mapping) else part.value)
    return _names(expression) if expression is not None and _is_bound(expression) else None


def _names(expression: Expression) -> tuple[str, ...]:
    return expression.path[1:] if expression.path[0] == _PARENT else expression.path


def _is_bound(expression: Expression) -> bool:
    return expression.path[0] in (_PARENT, _INPUTS, _OUTPUTS, _JOBS) and len(expression.path) > 1


def evaluate(scope: Scope, part: Part, visited: frozenset[tuple[str, ...]] = frozenset()) -> Value | None:
    """Return what an input of a node gets; None if it has no value. ``visited`` are the bindings on the way here."""
    names = find_binding(part)
    if names is None:
        given = value_of(part)
        return Value(bind_texts(scope, given, visited), {}) if given is not None else None
    found = _look_up(scope, names, visited | {names}) if names not in visited else None
    if found is None:
        return None
    settings = {name: part.child(name) for name in ("type", "mode") if part.fields.get(name) is not None}
    return Value(found.origin, {**found.settings, **settings})


def _look_up(scope: Scope, names: tuple[str, ...], visited: frozenset[tuple[str, ...]]) -> Value | None:
    if names[0] == _INPUTS:
        return scope.inputs.get(names[1]) or scope.inputs.get(".".join(names[1:]))
    node = scope.nodes.get(names[1]) if names[0] == _JOBS and len(names) >= _NODE_BINDING_LENGTH else None
    if node is None:
        return None
    name = ".".join(names[3:])
    if names[2] == _OUTPUTS:
        output = node_output(node, name)
        return Value(output, {}) if output else None
    return node_input(scope, node, name, visited)


def node_input(scope: Scope, node: Node, name: str, visited: frozenset[tuple[str, ...]] = frozenset()) -> Value | None:
    """Return what an input of a node gets: as the node says, else the default of the component."""
    given = node.part.child(_INPUTS, name)
    value = evaluate(scope, given, visited) if given.value is not None else None
    if value is not None or not node.declares_ports:
        return value
    default = value_of(node.component.child(_INPUTS, name))
    return Value(default, {}) if default is not None else None


def node_output(node: Node, name: str) -> StepOutput | None:
    """Return the output of a step that an output of a node is; of a nested pipeline it is one of a step in it."""
    if node.type == PIPELINE:
        return node.outputs.get(name)
    declared = {**node.component.children(_OUTPUTS), **node.part.children(_OUTPUTS)}
    is_default = name in DEFAULT_OUTPUTS and name not in declared
    return StepOutput(node.path, DEFAULT_ARTIFACTS if is_default else name)


def bound_output(part: Part) -> str:
    """Return the output of the pipeline that an output of a node is; "" for none."""
    names = find_binding(part)
    return ".".join(names[1:]) if names is not None and names[0] == _OUTPUTS else ""


def pipeline_outputs(nodes: Mapping[str, Node]) -> Mapping[str, StepOutput]:
    """Return the outputs of a pipeline by name, each with the output of a step that it is."""
    outputs: dict[str, StepOutput] = {}
    for node in nodes.values():
        for name, part in node.part.children(_OUTPUTS).items():
            bound = bound_output(part)
            output = node_output(node, name) if bound else None
            if output is not None:
                outputs.setdefault(bound, output)
    return outputs


def bind_texts(scope: Scope, part: Part, visited: frozenset[tuple[str, ...]] = frozenset()) -> Part:
    """Return a value with the literals for the bindings in its texts: ``model-${{parent.inputs.name}}``."""
    return part._replace(value=_bind(scope, part.value, visited))


def _bind(scope: Scope, value: Json, visited: frozenset[tuple[str, ...]]) -> Json:
    if isinstance(value, Mapping):
        return {key: _bind(scope, child, visited) for key, child in value.items()}
    if isinstance(value, list):
        return [_bind(scope, child, visited) for child in value]
    if not isinstance(value, str) or _PARENT not in value:
        return value
    bound = value
    for expression in parse_expressions(value):
        if isinstance(expression, Expression) and expression.path[0] == _PARENT and len(expression.path) > 1:
            literal = _literal(scope, _names(expression), visited)
            if literal is not None and expression.text == value.strip():
                return literal
            bound = bound.replace(expression.text, str(literal)) if literal is not None else bound
    return bound


def _literal(scope: Scope, names: tuple[str, ...], visited: frozenset[tuple[str, ...]]) -> Json:
    """Return the literal that a binding stands for, None if it stands for data or nothing."""
    found = _look_up(scope, names, visited | {names}) if names not in visited else None
    value = found.origin.value if found is not None and isinstance(found.origin, Part) else None
    value = value.get(_VALUE) if isinstance(value, Mapping) else value
    return None if isinstance(value, Mapping | list) else value
