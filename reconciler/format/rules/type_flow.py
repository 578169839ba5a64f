"""What flows along the bindings of a pipeline: the type at one end against the type at the other.

azure-ai-ml compares no types, so that a step fails when it starts, or reads a folder where it wants a file. Types are
compared where both are written down. A binding with a type of its own, ``{type: uri_folder, path: ${{...}}}``, says
how the data is to be taken, and is left alone: pipelines that run on Azure ML take files as folders in this way.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.bindings import io_binding
from reconciler.format.rules.expressions import Expression, expression_span
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.inputs import check_input_value
from reconciler.format.rules.spec_nodes import as_mapping
from reconciler.format.rules.values import ASSET_TYPES, PRIMITIVE_TYPES, declared_type, type_mismatch_severity
from reconciler.model import Json, Spec

_PARENT = "parent"


def check_node_input_types(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield inputs that are bound to something which their component cannot take."""
    for user, known in graph.component_uses():
        for name, value in as_mapping(user.spec.get("inputs")).items():
            port = as_mapping(known.inputs.get(name))
            found = io_binding(value, user.child_pointer("inputs", name)) if declared_type(port) else None
            if found is not None:
                yield from _check_binding_type(graph, found, port, retyped=bool(declared_type(as_mapping(value))))


def _check_binding_type(graph: PipelineGraph, found: Expression, port: Spec, *, retyped: bool) -> Iterator[Diagnostic]:
    source, wanted = _binding_source(graph, found), declared_type(port)
    if source is None:
        return
    if not isinstance(source, dict):
        yield from check_input_value(source, port, expression_span(graph.context, found), str(found))
        return
    have = declared_type(source) or ("uri_folder" if "path" in source and wanted in PRIMITIVE_TYPES else "")
    severity = type_mismatch_severity(have, wanted)
    if severity and not (retyped and {have, wanted} <= ASSET_TYPES):
        message = f"{found} is of type {have}, and {wanted} is wanted"
        yield Diagnostic(
            "binding-type", message, expression_span(graph.context, found), _type_mismatch_hint(have, wanted), severity
        )


def _binding_source(graph: PipelineGraph, found: Expression) -> Json:
    """Return what a binding binds to, as it is declared; None where nobody knows."""
    match found.path[1:] if found.path[0] == _PARENT else found.path:
        case ("inputs", name):
            source = graph.inputs.get(name)
            return None if isinstance(source, str) and ("${{" in source or not source.strip()) else source
        case ("jobs", node, "inputs" | "outputs" as group, name) if node in graph.nodes:
            return _node_io(graph, node, group, name)
    return None


def _node_io(graph: PipelineGraph, node: str, group: str, name: str) -> Spec | None:
    """Return an input or output of a node with its type: what the node says goes before what its component says."""
    own = as_mapping(as_mapping(graph.nodes[node].spec.get(group)).get(name))
    port = own if declared_type(own) else as_mapping((graph.node_io(node, group) or {}).get(name))
    return port if declared_type(port) else None


def check_pipeline_output_types(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield outputs of nodes that are bound to an output of the pipeline of a type that they do not make."""
    for node, part in graph.nodes.items():
        for name, value in as_mapping(part.spec.get("outputs")).items():
            found = io_binding(value, part.child_pointer("outputs", name))
            if found is None or found.path[:-1] != (_PARENT, "outputs"):
                continue
            have = declared_type(_node_io(graph, node, "outputs", name) or {})
            wanted = declared_type(as_mapping(graph.outputs.get(found.path[-1])))
            if severity := type_mismatch_severity(have, wanted):
                message = f"{found} is of type {wanted}, and {node} makes a {have} of {name}"
                hint = "declare the same type at both ends"
                yield Diagnostic("binding-type", message, expression_span(graph.context, found), hint, severity)


def _type_mismatch_hint(have: str, wanted: str) -> str:
    if {have, wanted} <= ASSET_TYPES:
        return f"bind to a {wanted}; where it is one after all, write {{type: {wanted}, path: BINDING}}"
    return "bind to something of that type, or change the type at one end"


CHECKS: tuple[PipelineCheck, ...] = (check_node_input_types, check_pipeline_output_types)
