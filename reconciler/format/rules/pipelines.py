"""The names, computes, components and order of pipeline nodes (reference, sections 3 and 8).

A pipeline is a job or a component with ``jobs``. ``bindings`` checks the bindings between nodes, ``inputs`` the inputs
that they pass to their components.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.expressions import Expression, expression_span, parse_expressions
from reconciler.format.pointers import join_pointer
from reconciler.format.rules.components import ComponentInterface, node_interfaces
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, iter_strings
from reconciler.format.schema_hints import NODE_NAME_PATTERN, name_hint

_NODE_NAME = re.compile(r"[a-z_][a-z\d_]*")
_CONTROL_FLOW_TYPES = frozenset({"if_else", "do_while", "parallel_for"})
_PIPELINE_TYPE = "pipeline"
_SPARK_TYPE = "spark"
_MAX_NODES_IN_MESSAGE = 10  # nodes named in one message


def pipeline_nodes(node: SpecNode) -> Iterator[tuple[str, SpecNode]]:
    """Yield the nodes of a pipeline by name; none if it is not a pipeline."""
    yield from node.child("jobs").child_nodes()


def check_node_names(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes whose name azure-ai-ml rejects: ``^[a-z_][a-z\\d_]*`` (section 3, names)."""
    for name in as_mapping(graph.root.spec.get("jobs")):
        if not _NODE_NAME.fullmatch(str(name)):
            message = f"{name} is not a valid node name"
            hint = name_hint(name, NODE_NAME_PATTERN)
            yield graph.context.key_diagnostic("node-name", message, "jobs", name, hint=hint)


def check_node_computes(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield one diagnostic, at the first node, for all nodes without a compute of their own or a default (section 8).

    Not for pipeline components, which get a compute from their user, for control flow, or for Spark with resources.
    """
    spec = graph.root.spec
    if spec.get("compute") is not None or as_mapping(spec.get("settings")).get("default_compute") is not None:
        return
    root = graph.included_component or ComponentInterface(graph.context, graph.root)
    pointer = join_pointer("component") if graph.included_component else None
    missing = list(_nodes_without_compute(root, pointer))
    if missing:
        first_pointer, first = missing[0]
        message = f"the node {first} has no compute"
        if len(missing) > 1:
            names = ", ".join(name for _, name in missing[:_MAX_NODES_IN_MESSAGE])
            message = f"{len(missing)} nodes have no compute: {names}"
            message += ", ..." if len(missing) > _MAX_NODES_IN_MESSAGE else ""
        hint = "add compute: to the node, or settings: default_compute: for all nodes"
        yield Diagnostic("node-compute", message, graph.context.document.key_span(first_pointer), hint)


def _nodes_without_compute(root: ComponentInterface, include_pointer: str | None) -> Iterator[tuple[str, str]]:
    """Yield the pointer and the path of names of nodes without a compute, in nested pipelines too, each file once.

    ``include_pointer`` is the pointer, in the user's file, of the node that includes the pipeline; None for the
    pipeline itself.
    """
    visited: set[str] = set()
    queue: list[tuple[ComponentInterface, str | None, str]] = [(root, include_pointer, "")]
    while queue:
        pipeline, include_pointer, trail = queue.pop()
        interfaces = node_interfaces(pipeline.context, pipeline.node)
        for name, node in pipeline_nodes(pipeline.node):
            pointer = join_pointer(*node.pointer) if include_pointer is None else include_pointer
            if node.type == _PIPELINE_TYPE:
                nested = interfaces.get(name)
                if nested is not None and nested.context.path not in visited:
                    visited.add(nested.context.path)
                    nested_pointer = f"{pointer}/component" if include_pointer is None else include_pointer
                    queue.append((nested, nested_pointer, f"{trail}{name} > "))
            elif node.type not in _CONTROL_FLOW_TYPES and not _has_compute(node):
                yield pointer, f"{trail}{name}"


def _has_compute(node: SpecNode) -> bool:
    if node.spec.get("compute") is not None:
        return True
    return node.type == _SPARK_TYPE and node.spec.get("resources") is not None


def check_component_cycles(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes whose component includes this file again; azure-ai-ml ends in a recursion error."""
    context = graph.context
    for user, interface in graph.component_uses():
        if trail := _include_cycle(context.path, interface):
            message = f"this pipeline includes itself: {' > '.join((context.document.path, *trail))}"
            yield context.value_diagnostic(
                "component-cycle", message, *user.child_pointer("component"), hint="remove one of these includes"
            )


def _include_cycle(path: str, interface: ComponentInterface) -> tuple[str, ...]:
    """Return the shortest chain of files from a component to a path; empty if there is none."""
    visited: set[str] = set()
    queue: list[tuple[ComponentInterface, tuple[str, ...]]] = [(interface, ())]
    while queue:
        component, trail = queue.pop(0)
        if component.node.pointer or component.context.path in visited:
            continue
        visited.add(component.context.path)
        files = (*trail, component.context.document.path)
        if component.context.path == path:
            return files
        queue += [(child, files) for child in node_interfaces(component.context, component.node).values()]
    return ()


def check_node_cycles(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield each cycle of nodes once, with its path; azure-ai-ml does not check this."""
    edges = _find_sources(graph.nodes)
    finished: set[str] = set()
    for name in graph.nodes:
        if cycle := _find_cycle(name, edges, finished):
            start = next((index for index, item in enumerate(cycle) if item in graph.nodes), 0)
            cycle = cycle[start:] + cycle[:start]
            expression = edges[cycle[0]][cycle[1 % len(cycle)]]
            message = _describe_cycle([item for item in cycle if item in graph.nodes] or cycle)
            hint = "remove one of these bindings"
            yield Diagnostic("node-cycle", message, expression_span(graph.context, expression), hint)


def _describe_cycle(cycle: Sequence[str]) -> str:
    if len(cycle) == 1 and "." not in cycle[0]:
        return f"cycle of nodes: {cycle[0]} reads its own output"
    return f"cycle of nodes: {' > '.join((*cycle, cycle[0]))}"


def _find_sources(nodes: Mapping[str, SpecNode]) -> Mapping[str, Mapping[str, Expression]]:
    """Return what each node, and each bound input of one (``NODE.inputs.NAME``), is made from, with the expressions."""
    sources: dict[str, dict[str, Expression]] = {name: {} for name in nodes}
    for name, node in nodes.items():
        for source in node_dependencies(node):
            user = name
            field, *keys = source.expression.pointer[len(node.pointer) :]
            if field == "inputs" and keys:
                user = f"{name}.inputs.{keys[0]}"
                sources[name][user] = source.expression
            target = source.node if source.group == "outputs" else f"{source.node}.inputs.{source.name}"
            sources.setdefault(user, {})[target] = source.expression
    return sources


class NodeDependency(NamedTuple):
    """A binding to an input or output (the group) of another node."""

    node: str
    group: str
    name: str
    expression: Expression


def node_dependencies(node: SpecNode) -> Iterator[NodeDependency]:
    """Yield every binding of a node to another node."""
    for field in ("inputs", "condition", "items"):
        for pointer, text in iter_strings(node.spec.get(field), node.child_pointer(field)):
            for expression in parse_expressions(text, pointer) if "${{" in text else ():
                if isinstance(expression, Expression):
                    path = expression.path[1:] if expression.path[0] == "parent" else expression.path
                    if len(path) > 2 and path[0] == "jobs":  # noqa: PLR2004 - jobs.N.outputs
                        yield NodeDependency(path[1], path[2], ".".join(path[3:]), expression)


def _find_cycle(start: str, edges: Mapping[str, Mapping[str, Expression]], finished: set[str]) -> tuple[str, ...]:
    """Return the first cycle that is reachable from a node without finished nodes; add the visited nodes to these."""
    trail: dict[str, Iterator[str]] = {} if start in finished else {start: iter(edges[start])}
    while trail:
        name = next(reversed(trail))
        child = next((target for target in trail[name] if target in edges and target not in finished), None)
        if child is None:
            finished.add(name)
            trail.popitem()
        elif child in trail:
            nodes = list(trail)
            finished.update(nodes)
            return tuple(nodes[nodes.index(child) :])
        else:
            trail[child] = iter(edges[child])
    return ()


STRUCTURE_CHECKS: tuple[PipelineCheck, ...] = (check_node_names, check_component_cycles, check_node_cycles)
COMPUTE_CHECKS: tuple[PipelineCheck, ...] = (check_node_computes,)
