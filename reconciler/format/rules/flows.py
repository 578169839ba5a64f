"""What flows along the bindings of a pipeline: the type at one end against the type at the other.

azure-ai-ml compares no types, so that a step fails when it starts, or reads a folder where it wants a file. Types are
compared where both are written down. A binding with a type of its own, ``{type: uri_folder, path: ${{...}}}``, says
how the data is to be taken, and is left alone: pipelines that run on Azure ML take files as folders in this way.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.bindings import bound_to
from reconciler.format.rules.expressions import Expression, place
from reconciler.format.rules.graph import Check, Graph
from reconciler.format.rules.inputs import unfit
from reconciler.format.rules.parts import mapping
from reconciler.format.rules.values import ASSETS, PRIMITIVES, type_of, unlike
from reconciler.model import Json, Spec

_PARENT = "parent"


def into_nodes(graph: Graph) -> Iterator[Diagnostic]:
    """Yield inputs that are bound to something which their component cannot take."""
    for user, known in graph.users():
        for name, value in mapping(user.spec.get("inputs")).items():
            port = mapping(known.inputs.get(name))
            found = bound_to(value, user.below("inputs", name)) if type_of(port) else None
            if found is not None:
                yield from _misbound(graph, found, port, retyped=bool(type_of(mapping(value))))


def _misbound(graph: Graph, found: Expression, port: Spec, *, retyped: bool) -> Iterator[Diagnostic]:
    source, wanted = _source(graph, found), type_of(port)
    if source is None:
        return
    if not isinstance(source, dict):
        yield from unfit(source, port, place(graph.subject, found), str(found))
        return
    have = type_of(source) or ("uri_folder" if "path" in source and wanted in PRIMITIVES else "")
    severity = unlike(have, wanted)
    if severity and not (retyped and {have, wanted} <= ASSETS):
        message = f"{found} is of type {have}, and {wanted} is wanted"
        yield Diagnostic("binding-type", message, place(graph.subject, found), _cure(have, wanted), severity)


def _source(graph: Graph, found: Expression) -> Json:
    """Return what a binding binds to, as it is declared; None where nobody knows."""
    match found.path[1:] if found.path[0] == _PARENT else found.path:
        case ("inputs", name):
            source = graph.inputs.get(name)
            return None if isinstance(source, str) and ("${{" in source or not source.strip()) else source
        case ("jobs", node, "inputs" | "outputs" as group, name) if node in graph.nodes:
            return _port(graph, node, group, name)
    return None


def _port(graph: Graph, node: str, group: str, name: str) -> Spec | None:
    """Return an input or output of a node with its type: what the node says goes before what its component says."""
    own = mapping(mapping(graph.nodes[node].spec.get(group)).get(name))
    port = own if type_of(own) else mapping((graph.ports(node, group) or {}).get(name))
    return port if type_of(port) else None


def out_of_nodes(graph: Graph) -> Iterator[Diagnostic]:
    """Yield outputs of nodes that are bound to an output of the pipeline of a type that they do not make."""
    for node, part in graph.nodes.items():
        for name, value in mapping(part.spec.get("outputs")).items():
            found = bound_to(value, part.below("outputs", name))
            if found is None or found.path[:-1] != (_PARENT, "outputs"):
                continue
            have = type_of(_port(graph, node, "outputs", name) or {})
            wanted = type_of(mapping(graph.outputs.get(found.path[-1])))
            if severity := unlike(have, wanted):
                message = f"{found} is of type {wanted}, and {node} makes a {have} of {name}"
                hint = "declare the same type at both ends"
                yield Diagnostic("binding-type", message, place(graph.subject, found), hint, severity)


def _cure(have: str, wanted: str) -> str:
    if {have, wanted} <= ASSETS:
        return f"bind to a {wanted}; where it is one after all, write {{type: {wanted}, path: BINDING}}"
    return "bind to something of that type, or change the type at one end"


CHECKS: tuple[Check, ...] = (into_nodes, out_of_nodes)
