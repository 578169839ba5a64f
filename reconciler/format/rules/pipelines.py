"""The nodes of a pipeline by themselves: their names, their compute, the files they include, and their order.

Reference, sections 3 and 8. A pipeline is a job or a component with ``jobs``; what its nodes say to each other is
for ``bindings``, what they give to their components for ``inputs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.pointers import join
from reconciler.format.rules.components import Interface, interfaces
from reconciler.format.rules.expressions import Expression, parse, place
from reconciler.format.rules.graph import Check, Graph
from reconciler.format.rules.parts import Part, mapping, strings

_NAME = re.compile(r"[a-z_][a-z\d_]*")
_CONTROL = frozenset({"if_else", "do_while", "parallel_for"})
_NESTED = "pipeline"
_SPARK = "spark"
_SHOWN = 10  # nodes named in one message


def nodes(part: Part) -> Iterator[tuple[str, Part]]:
    """Yield the nodes of a pipeline by name; none where it is no pipeline."""
    yield from part.inner("jobs").mappings()


def names(graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes whose name azure-ai-ml refuses: ``^[a-z_][a-z\\d_]*`` (section 3, names)."""
    for name in mapping(graph.whole.spec.get("jobs")):
        if not _NAME.fullmatch(str(name)):
            message = f"a node cannot be called {name}"
            hint = "use small letters, digits and _, not beginning with a digit"
            yield graph.subject.at_key("node-name", message, "jobs", name, hint=hint)


def computes(graph: Graph) -> Iterator[Diagnostic]:
    """Yield the nodes that have no compute to run on, neither their own nor the pipeline's (section 8), at the first.

    Not asked of a pipeline component, which gets it from its user; nor of control flow, nor of Spark with resources.
    """
    spec = graph.whole.spec
    if spec.get("compute") is not None or mapping(spec.get("settings")).get("default_compute") is not None:
        return
    root = graph.included or Interface(graph.subject, graph.whole)
    at = join("component") if graph.included else None
    found = list(_computeless(root, at))
    if found:
        pointer, first = found[0]
        message = f"the node {first} has no compute to run on"
        if len(found) > 1:
            message = f"{len(found)} nodes have no compute to run on: {', '.join(trail for _, trail in found[:_SHOWN])}"
            message += ", ..." if len(found) > _SHOWN else ""
        hint = "give it compute:, or all nodes settings: default_compute:"
        yield Diagnostic("node-compute", message, graph.subject.document.key(pointer), hint)


def _computeless(root: Interface, at: str | None) -> Iterator[tuple[str, str]]:
    """Yield pointer and trail of nodes without a compute, in pipelines within as well, each file once.

    ``at`` is the pointer, in the user's file, of what includes the pipeline; None for the pipeline itself.
    """
    seen: set[str] = set()
    waiting: list[tuple[Interface, str | None, str]] = [(root, at, "")]
    while waiting:
        whole, at, trail = waiting.pop()
        known = interfaces(whole.subject, whole.part)
        for name, node in nodes(whole.part):
            here = join(*node.pointer) if at is None else at
            if node.type == _NESTED:
                if name in known and known[name].subject.path not in seen:
                    seen.add(known[name].subject.path)
                    waiting.append((known[name], f"{here}/component" if at is None else at, f"{trail}{name} > "))
            elif node.type not in _CONTROL and not _has_compute(node):
                yield here, f"{trail}{name}"


def _has_compute(node: Part) -> bool:
    if node.spec.get("compute") is not None:
        return True
    return node.type == _SPARK and node.spec.get("resources") is not None


def includes_itself(graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes whose component file leads back to this file; azure-ai-ml falls over such a one."""
    subject = graph.subject
    for user, known in graph.users():
        if trail := _back(subject.path, known):
            message = f"this pipeline includes itself: {' > '.join((subject.document.path, *trail))}"
            yield subject.at_value("component-cycle", message, *user.below("component"), hint="take one of them out")


def _back(path: str, known: Interface) -> tuple[str, ...]:
    """Return the files that lead from a component back to a path, by the shortest way; nothing where none do."""
    seen: set[str] = set()
    waiting: list[tuple[Interface, tuple[str, ...]]] = [(known, ())]
    while waiting:
        each, trail = waiting.pop(0)
        if each.part.pointer or each.subject.path in seen:
            continue
        seen.add(each.subject.path)
        here = (*trail, each.subject.document.path)
        if each.subject.path == path:
            return here
        waiting += [(inner, here) for inner in interfaces(each.subject, each.part).values()]
    return ()


def cycles(graph: Graph) -> Iterator[Diagnostic]:
    """Yield nodes that wait for each other, each circle once and with its path (azure-ai-ml does not look)."""
    edges = {name: dict(_sources(node)) for name, node in graph.nodes.items()}
    done: set[str] = set()
    for name in edges:
        circle = _circle(name, edges, done)
        if circle:
            found = edges[circle[0]][circle[1 % len(circle)]]
            path = " > ".join((*circle, circle[0]))
            message = f"these nodes wait for each other: {path}" if len(circle) > 1 else f"{name} waits for itself"
            hint = "a node runs after those it reads from"
            yield Diagnostic("node-cycle", message, place(graph.subject, found), hint)


def _sources(node: Part) -> Iterator[tuple[str, Expression]]:
    """Yield the nodes whose outputs a node reads, with one expression that says so for each."""
    yield from ((name, found) for name, group, found in mentioned(node) if group == "outputs")


def mentioned(node: Part) -> Iterator[tuple[str, str, Expression]]:
    """Yield the nodes that a node is bound to, with what of them it names and the expression that does."""
    for field in ("inputs", "condition", "items"):
        for pointer, text in strings(node.spec.get(field), node.below(field)):
            for found in parse(text, pointer) if "${{" in text else ():
                if isinstance(found, Expression):
                    path = found.path[1:] if found.path[0] == "parent" else found.path
                    if len(path) > 2 and path[0] == "jobs":  # noqa: PLR2004 - jobs.N.outputs
                        yield path[1], path[2], found


def _circle(start: str, edges: Mapping[str, Mapping[str, Expression]], done: set[str]) -> tuple[str, ...]:
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


STRUCTURE_CHECKS: tuple[Check, ...] = (names, includes_itself, cycles)
COMPUTE_CHECKS: tuple[Check, ...] = (computes,)
