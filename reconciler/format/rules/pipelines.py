"""The nodes of a pipeline by themselves: their names, their compute, the files they include, and their order.

Reference, sections 3 and 8. A pipeline is a job or a component with ``jobs``; what its nodes say to each other is
for ``bindings``, what they give to their components for ``inputs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.pointers import join_pointer
from reconciler.format.rules.components import ComponentInterface, node_interfaces
from reconciler.format.rules.expressions import Expression, expression_span, parse_expressions
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, iter_strings

_NODE_NAME = re.compile(r"[a-z_][a-z\d_]*")
_CONTROL_FLOW_TYPES = frozenset({"if_else", "do_while", "parallel_for"})
_PIPELINE_TYPE = "pipeline"
_SPARK_TYPE = "spark"
_MAX_NODES_IN_MESSAGE = 10  # nodes named in one message


def pipeline_nodes(part: SpecNode) -> Iterator[tuple[str, SpecNode]]:
    """Yield the nodes of a pipeline by name; none where it is no pipeline."""
    yield from part.child("jobs").child_nodes()


def check_node_names(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes whose name azure-ai-ml refuses: ``^[a-z_][a-z\\d_]*`` (section 3, names)."""
    for name in as_mapping(graph.root.spec.get("jobs")):
        if not _NODE_NAME.fullmatch(str(name)):
            message = f"a node cannot be called {name}"
            hint = "use small letters, digits and _, not beginning with a digit"
            yield graph.context.key_diagnostic("node-name", message, "jobs", name, hint=hint)


def check_node_computes(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield the nodes that have no compute to run on, neither their own nor the pipeline's (section 8), at the first.

    Not asked of a pipeline component, which gets it from its user; nor of control flow, nor of Spark with resources.
    """
    spec = graph.root.spec
    if spec.get("compute") is not None or as_mapping(spec.get("settings")).get("default_compute") is not None:
        return
    root = graph.included_component or ComponentInterface(graph.context, graph.root)
    at = join_pointer("component") if graph.included_component else None
    found = list(_nodes_without_compute(root, at))
    if found:
        pointer, first = found[0]
        message = f"the node {first} has no compute to run on"
        if len(found) > 1:
            message = f"{len(found)} nodes have no compute to run on: {', '.join(trail for _, trail in found[:_MAX_NODES_IN_MESSAGE])}"
            message += ", ..." if len(found) > _MAX_NODES_IN_MESSAGE else ""
        hint = "give it compute:, or all nodes settings: default_compute:"
        yield Diagnostic("node-compute", message, graph.context.document.key_span(pointer), hint)


def _nodes_without_compute(root: ComponentInterface, at: str | None) -> Iterator[tuple[str, str]]:
    """Yield pointer and trail of nodes without a compute, in pipelines within as well, each file once.

    ``at`` is the pointer, in the user's file, of what includes the pipeline; None for the pipeline itself.
    """
    seen: set[str] = set()
    waiting: list[tuple[ComponentInterface, str | None, str]] = [(root, at, "")]
    while waiting:
        whole, at, trail = waiting.pop()
        known = node_interfaces(whole.context, whole.node)
        for name, node in pipeline_nodes(whole.node):
            here = join_pointer(*node.pointer) if at is None else at
            if node.type == _PIPELINE_TYPE:
                if name in known and known[name].context.path not in seen:
                    seen.add(known[name].context.path)
                    waiting.append((known[name], f"{here}/component" if at is None else at, f"{trail}{name} > "))
            elif node.type not in _CONTROL_FLOW_TYPES and not _has_compute(node):
                yield here, f"{trail}{name}"


def _has_compute(node: SpecNode) -> bool:
    if node.spec.get("compute") is not None:
        return True
    return node.type == _SPARK_TYPE and node.spec.get("resources") is not None


def check_component_cycles(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes whose component file leads back to this file; azure-ai-ml falls over such a one."""
    subject = graph.context
    for user, known in graph.component_uses():
        if trail := _include_cycle(subject.path, known):
            message = f"this pipeline includes itself: {' > '.join((subject.document.path, *trail))}"
            yield subject.value_diagnostic(
                "component-cycle", message, *user.child_pointer("component"), hint="take one of them out"
            )


def _include_cycle(path: str, known: ComponentInterface) -> tuple[str, ...]:
    """Return the files that lead from a component back to a path, by the shortest way; nothing where none do."""
    seen: set[str] = set()
    waiting: list[tuple[ComponentInterface, tuple[str, ...]]] = [(known, ())]
    while waiting:
        each, trail = waiting.pop(0)
        if each.node.pointer or each.context.path in seen:
            continue
        seen.add(each.context.path)
        here = (*trail, each.context.document.path)
        if each.context.path == path:
            return here
        waiting += [(inner, here) for inner in node_interfaces(each.context, each.node).values()]
    return ()


def check_node_cycles(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes that wait for each other, each circle once and with its path (azure-ai-ml does not look)."""
    edges = {name: dict(_upstream_nodes(node)) for name, node in graph.nodes.items()}
    done: set[str] = set()
    for name in edges:
        circle = _find_cycle(name, edges, done)
        if circle:
            found = edges[circle[0]][circle[1 % len(circle)]]
            path = " > ".join((*circle, circle[0]))
            message = f"these nodes wait for each other: {path}" if len(circle) > 1 else f"{name} waits for itself"
            hint = "a node runs after those it reads from"
            yield Diagnostic("node-cycle", message, expression_span(graph.context, found), hint)


def _upstream_nodes(node: SpecNode) -> Iterator[tuple[str, Expression]]:
    """Yield the nodes whose outputs a node reads, with one expression that says so for each."""
    yield from ((name, found) for name, group, found in node_dependencies(node) if group == "outputs")


def node_dependencies(node: SpecNode) -> Iterator[tuple[str, str, Expression]]:
    """Yield the nodes that a node is bound to, with what of them it names and the expression that does."""
    for field in ("inputs", "condition", "items"):
        for pointer, text in iter_strings(node.spec.get(field), node.child_pointer(field)):
            for found in parse_expressions(text, pointer) if "${{" in text else ():
                if isinstance(found, Expression):
                    path = found.path[1:] if found.path[0] == "parent" else found.path
                    if len(path) > 2 and path[0] == "jobs":  # noqa: PLR2004 - jobs.N.outputs
                        yield path[1], path[2], found


def _find_cycle(start: str, edges: Mapping[str, Mapping[str, Expression]], done: set[str]) -> tuple[str, ...]:
    """Return the first circle that can be reached from a node and that leads through no node that is done."""
    trail: dict[str, Iterator[str]] = {} if start in done else {start: iter(edges[start])}
    while trail:
        name = next(reversed(trail))
        below = next((each for each in trail[name] if each in edges and each not in done), None)
        if below is None:
            done.add(name)
            trail.popitem()
        elif below in trail:
            way = list(trail)
            done.update(way)
            return tuple(way[way.index(below) :])
        else:
            trail[below] = iter(edges[below])
    return ()


STRUCTURE_CHECKS: tuple[PipelineCheck, ...] = (check_node_names, check_component_cycles, check_node_cycles)
COMPUTE_CHECKS: tuple[PipelineCheck, ...] = (check_node_computes,)
