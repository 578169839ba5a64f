"""What the nodes of a pipeline bind to: inputs and outputs of the pipeline, and of each other.

Reference, section 3: ``${{parent.inputs.X}}``, ``${{parent.outputs.X}}``, ``${{parent.jobs.N.outputs.O}}``,
``${{parent.jobs.N.inputs.I}}``, and for inputs the older ``${{inputs.X}}`` and ``${{jobs.N.outputs.O}}``.
azure-ai-ml looks at some of them only (those of nodes written in place); the service refuses the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.expressions import Expression, Malformed, binding, misformed, parse, place
from reconciler.format.rules.graph import Check, Graph
from reconciler.format.rules.parts import Part, Pointer, mapping, strings
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_PARENT = "parent"
_OWN = frozenset({"command", "args", "component", "trial", "task"})  # where expressions mean the node's own
_LEGACY = frozenset({"inputs", "outputs", "jobs"})
_BOUND = ("inputs", "outputs")
_JOB_OUTPUT = 4  # parent.jobs.N.outputs.O has five names; four are before the last
_MANY = 300  # names among which a search for the nearest one takes too long, once for each of 50 diagnostics
_DEFAULT = "default"  # the artifacts of any run


def dangling(graph: Graph) -> Iterator[Diagnostic]:
    """Yield bindings to what the pipeline does not have."""
    for node in graph.nodes.values():
        for pointer, text in _texts(node):
            for found in parse(text, pointer):
                if isinstance(found, Malformed):
                    yield misformed(graph.subject, found)
                elif found.path[0] == _PARENT:
                    yield from _missing(graph, found, found.path[1:])


def _texts(node: Part) -> Iterator[tuple[Pointer, str]]:
    for field, value in node.spec.items():
        if field not in _OWN and (isinstance(value, dict | list) or "${{" in str(value)):
            for pointer, text in strings(value, node.below(field)):
                if "${{" in text:
                    yield pointer, text


def legacy(graph: Graph) -> Iterator[Diagnostic]:
    """Yield bindings without ``parent.``: still read, and checked as if it stood there; and such as mean nothing."""
    for pointer, found in (each for node in graph.nodes.values() for each in bound(node)):
        head = found.path[0]
        if head in _LEGACY:
            yield from _missing(graph, found, found.path)
            hint = f"write {found.text.replace(head, f'{_PARENT}.{head}', 1)}"
            message = f"{found} is an old way to name something of the pipeline"
            yield Diagnostic("binding-legacy", message, place(graph.subject, found), hint, Severity.WARNING)
        elif head != _PARENT and len(found.path) > 1:
            message = f"{found} means nothing here"
            hint = "write ${{parent.inputs.NAME}} or ${{parent.jobs.NODE.outputs.NAME}}"
            yield graph.subject.at_value("binding-unknown", message, *pointer, hint=hint)


def bound(node: Part) -> Iterator[tuple[Pointer, Expression]]:
    """Yield the inputs and outputs of a node that are a binding and nothing else, with their pointers."""
    for group in _BOUND:
        for name, value in mapping(node.spec.get(group)).items():
            if found := bound_to(value, node.below(group, name)):
                yield found.pointer, found


def bound_to(value: Json, pointer: Pointer) -> Expression | None:
    """Return the expression that an input or output is as a whole, or by its path; None where it is anything else."""
    if isinstance(value, dict):
        return binding(value.get("path"), (*pointer, "path"))
    return binding(value, pointer)


def _missing(graph: Graph, found: Expression, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield what is not there of a binding, given without ``parent``."""
    head, *names = path or ("",)
    if head in _BOUND and names:
        declared = graph.inputs if head == "inputs" else graph.outputs
        if names[0] not in declared and ".".join(names) not in declared:
            yield _unknown(graph, found, f"the pipeline has no {head[:-1]} {names[0]}", names[0], declared)
    elif head == "jobs" and names:
        yield from _missing_in_node(graph, found, names)
    else:
        message = f"{found} names nothing of a pipeline"
        hint = "it has parent.inputs.NAME, parent.outputs.NAME and parent.jobs.NODE.outputs.NAME"
        yield Diagnostic("binding-dangling", message, place(graph.subject, found), hint)


def _missing_in_node(graph: Graph, found: Expression, names: list[str]) -> Iterator[Diagnostic]:
    if names[0] not in graph.nodes:
        yield _unknown(graph, found, f"the pipeline has no node {names[0]}", names[0], graph.nodes)
    elif len(names) >= _JOB_OUTPUT - 1 and names[1] in _BOUND:
        ports = graph.ports(names[0], names[1])
        if ports is not None and names[2] not in ports and ".".join(names[2:]) not in ports and names[2] != _DEFAULT:
            yield _unknown(graph, found, f"the node {names[0]} has no {names[1][:-1]} {names[2]}", names[2], ports)
    elif len(names) > 1:
        message = f"{found} names neither an input nor an output of {names[0]}"
        hint = f"write ${{{{parent.jobs.{names[0]}.outputs.NAME}}}}"
        yield Diagnostic("binding-dangling", message, place(graph.subject, found), hint)


def _unknown(graph: Graph, found: Expression, message: str, name: str, known: Iterable[str]) -> Diagnostic:
    names = [str(each) for each in known]
    hint = (did_you_mean(name, names) if len(names) <= _MANY else "") or (
        f"there is {', '.join(sorted(names)[:10])}" if names else ""
    )
    return Diagnostic("binding-dangling", f"{found}: {message}", place(graph.subject, found), hint)


CHECKS: tuple[Check, ...] = (dangling, legacy)
