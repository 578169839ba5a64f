"""The types at the two ends of the bindings of a pipeline.

azure-ai-ml does not compare types, so a step fails when it starts, or reads a folder as a file. Types are compared if
both are declared. A binding with a type of its own, ``{type: uri_folder, path: ${{...}}}``, converts the data and is
not checked: existing pipelines pass files as folders in this way.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.expressions import Expression, expression_span, parse_expressions
from reconciler.format.rules.bindings import io_binding
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.inputs import check_input_value
from reconciler.format.rules.spec_nodes import as_mapping
from reconciler.format.rules.values import ASSET_TYPES, PRIMITIVE_TYPES, declared_type, type_mismatch_severity
from reconciler.model import Json, Spec

_PARENT = "parent"


def check_node_input_types(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield inputs that are bound to a value of a type that their component does not accept."""
    for user, interface in graph.component_uses():
        for name, value in as_mapping(user.spec.get("inputs")).items():
            declared = as_mapping(interface.inputs.get(name))
            expression = io_binding(value, user.child_pointer("inputs", name)) if declared_type(declared) else None
            if expression is not None:
                yield from _check_binding_type(
                    graph, expression, declared, retyped=bool(declared_type(as_mapping(value)))
                )


def check_parts_of_texts(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield bindings to data that are a part of a longer text: data has no text."""
    for node in graph.nodes.values():
        for name, value in as_mapping(node.spec.get("inputs")).items():
            pointer, text = node.child_pointer("inputs", name), value
            if isinstance(value, dict):
                pointer, text = (*pointer, "path"), value.get("path")
            if isinstance(text, str) and "${{" in text and io_binding(text, pointer) is None:
                for expression in parse_expressions(text, pointer):
                    if isinstance(expression, Expression) and _is_data(graph, expression):
                        message = f"{expression} is data, which cannot be a part of a text"
                        hint = "bind an input to it alone, and put the rest into the command"
                        yield Diagnostic("binding-type", message, expression_span(graph.context, expression), hint)


def _is_data(graph: PipelineGraph, expression: Expression) -> bool:
    source = as_mapping(_binding_source(graph, expression))
    return declared_type(source) in ASSET_TYPES or "path" in source


def _check_binding_type(
    graph: PipelineGraph, expression: Expression, declared: Spec, *, retyped: bool
) -> Iterator[Diagnostic]:
    source, target_type = _binding_source(graph, expression), declared_type(declared)
    if source is None:
        return
    if not isinstance(source, dict):
        yield from check_input_value(source, declared, expression_span(graph.context, expression), str(expression))
        return
    source_type = declared_type(source) or ("uri_folder" if "path" in source and target_type in PRIMITIVE_TYPES else "")
    severity = type_mismatch_severity(source_type, target_type)
    if severity and not (retyped and {source_type, target_type} <= ASSET_TYPES):
        message = f"{expression} has type {source_type}, expected {target_type}"
        yield Diagnostic(
            "binding-type",
            message,
            expression_span(graph.context, expression),
            _type_mismatch_hint(source_type, target_type),
            severity,
        )


def _binding_source(graph: PipelineGraph, expression: Expression) -> Json:
    """Return the declared input or output that a binding refers to; None if it is not known."""
    match expression.path[1:] if expression.path[0] == _PARENT else expression.path:
        case ("inputs", name):
            source = graph.inputs.get(name)
            return None if isinstance(source, str) and ("${{" in source or not source.strip()) else source
        case ("jobs", node, "inputs" | "outputs" as group, name) if node in graph.nodes:
            return _node_io(graph, node, group, name)
    return None


def _node_io(graph: PipelineGraph, node: str, group: str, name: str) -> Spec | None:
    """Return a typed input or output of a node; the type on the node overrides that of its component."""
    own = as_mapping(as_mapping(graph.nodes[node].spec.get(group)).get(name))
    declared = own if declared_type(own) else as_mapping((graph.node_io(node, group) or {}).get(name))
    return declared if declared_type(declared) else None


def check_pipeline_output_types(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield outputs of nodes that are bound to a pipeline output of another type.

    Published components bind a folder to a file, so data of another type is a warning.
    """
    for node_name, node in graph.nodes.items():
        for name, value in as_mapping(node.spec.get("outputs")).items():
            expression = io_binding(value, node.child_pointer("outputs", name))
            if expression is None or expression.path[:-1] != (_PARENT, "outputs"):
                continue
            source_type = declared_type(_node_io(graph, node_name, "outputs", name) or {})
            target_type = declared_type(as_mapping(graph.outputs.get(expression.path[-1])))
            is_data = {source_type, target_type} <= ASSET_TYPES
            if is_data and declared_type(as_mapping(value)):
                continue
            if severity := type_mismatch_severity(source_type, target_type):
                severity = Severity.WARNING if is_data else severity
                message = (
                    f"{expression} has type {target_type}, but the output {name} of {node_name} has type {source_type}"
                )
                hint = "declare the same type at both ends"
                yield Diagnostic("binding-type", message, expression_span(graph.context, expression), hint, severity)


def _type_mismatch_hint(source_type: str, target_type: str) -> str:
    if {source_type, target_type} <= ASSET_TYPES:
        return f"bind to a {target_type}; to convert it, write {{type: {target_type}, path: BINDING}}"
    return "bind to a value of the expected type, or change one of the types"


CHECKS: tuple[PipelineCheck, ...] = (
    check_node_input_types,
    check_parts_of_texts,
    check_pipeline_output_types,
)
