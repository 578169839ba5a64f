"""What the nodes of a pipeline bind to: inputs and outputs of the pipeline, and of each other.

Reference, section 3: ``${{parent.inputs.X}}``, ``${{parent.outputs.X}}``, ``${{parent.jobs.N.outputs.O}}``,
``${{parent.jobs.N.inputs.I}}``, and for inputs the older ``${{inputs.X}}`` and ``${{jobs.N.outputs.O}}``.
azure-ai-ml looks at some of them only (those of nodes written in place); the service refuses the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.expressions import (
    Expression,
    MalformedExpression,
    expression_span,
    malformed_expression_diagnostic,
    parse_binding,
    parse_expressions,
)
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import Pointer, SpecNode, as_mapping, iter_strings
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_PARENT = "parent"
_NODE_LOCAL_FIELDS = frozenset(
    {"command", "args", "component", "trial", "task"}
)  # where expressions mean the node's own
_LEGACY_ROOTS = frozenset({"inputs", "outputs", "jobs"})
_IO_GROUPS = ("inputs", "outputs")
_JOB_OUTPUT_DEPTH = 4  # parent.jobs.N.outputs.O has five names; four are before the last
_MAX_SUGGESTION_NAMES = (
    300  # names among which a search for the nearest one takes too long, once for each of 50 diagnostics
)
_DEFAULT_OUTPUT = "default"  # the artifacts of any run


def check_dangling_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield bindings to what the pipeline does not have."""
    for node in graph.nodes.values():
        for pointer, text in _binding_texts(node):
            for found in parse_expressions(text, pointer):
                if isinstance(found, MalformedExpression):
                    yield malformed_expression_diagnostic(graph.context, found)
                elif found.path[0] == _PARENT:
                    yield from _check_binding(graph, found, found.path[1:])


def _binding_texts(node: SpecNode) -> Iterator[tuple[Pointer, str]]:
    for field, value in node.spec.items():
        if field not in _NODE_LOCAL_FIELDS and (isinstance(value, dict | list) or "${{" in str(value)):
            for pointer, text in iter_strings(value, node.child_pointer(field)):
                if "${{" in text:
                    yield pointer, text


def check_legacy_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield bindings without ``parent.``: still read, and checked as if it stood there; and such as mean nothing."""
    for pointer, found in (binding for node in graph.nodes.values() for binding in node_bindings(node)):
        head = found.path[0]
        if head in _LEGACY_ROOTS:
            yield from _check_binding(graph, found, found.path)
            hint = f"write {found.text.replace(head, f'{_PARENT}.{head}', 1)}"
            message = f"{found} is an old way to name something of the pipeline"
            yield Diagnostic("binding-legacy", message, expression_span(graph.context, found), hint, Severity.WARNING)
        elif head != _PARENT and len(found.path) > 1:
            message = f"{found} means nothing here"
            hint = "write ${{parent.inputs.NAME}} or ${{parent.jobs.NODE.outputs.NAME}}"
            yield graph.context.value_diagnostic("binding-unknown", message, *pointer, hint=hint)


def node_bindings(node: SpecNode) -> Iterator[tuple[Pointer, Expression]]:
    """Yield the inputs and outputs of a node that are a binding and nothing else, with their pointers."""
    for group in _IO_GROUPS:
        for name, value in as_mapping(node.spec.get(group)).items():
            if found := io_binding(value, node.child_pointer(group, name)):
                yield found.pointer, found


def io_binding(value: Json, pointer: Pointer) -> Expression | None:
    """Return the expression that an input or output is as a whole, or by its path; None where it is anything else."""
    if isinstance(value, dict):
        return parse_binding(value.get("path"), (*pointer, "path"))
    return parse_binding(value, pointer)


def _check_binding(graph: PipelineGraph, found: Expression, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield what is not there of a binding, given without ``parent``."""
    head, *names = path or ("",)
    if head in _IO_GROUPS and names:
        declared = graph.inputs if head == "inputs" else graph.outputs
        if names[0] not in declared and ".".join(names) not in declared:
            yield _dangling_binding_diagnostic(
                graph, found, f"the pipeline has no {head[:-1]} {names[0]}", names[0], declared
            )
    elif head == "jobs" and names:
        yield from _check_node_binding(graph, found, names)
    else:
        message = f"{found} names nothing of a pipeline"
        hint = "it has parent.inputs.NAME, parent.outputs.NAME and parent.jobs.NODE.outputs.NAME"
        yield Diagnostic("binding-dangling", message, expression_span(graph.context, found), hint)


def _check_node_binding(graph: PipelineGraph, found: Expression, names: list[str]) -> Iterator[Diagnostic]:
    if names[0] not in graph.nodes:
        yield _dangling_binding_diagnostic(graph, found, f"the pipeline has no node {names[0]}", names[0], graph.nodes)
    elif len(names) >= _JOB_OUTPUT_DEPTH - 1 and names[1] in _IO_GROUPS:
        ports = graph.node_io(names[0], names[1])
        if (
            ports is not None
            and names[2] not in ports
            and ".".join(names[2:]) not in ports
            and names[2] != _DEFAULT_OUTPUT
        ):
            yield _dangling_binding_diagnostic(
                graph, found, f"the node {names[0]} has no {names[1][:-1]} {names[2]}", names[2], ports
            )
    elif len(names) > 1:
        message = f"{found} names neither an input nor an output of {names[0]}"
        hint = f"write ${{{{parent.jobs.{names[0]}.outputs.NAME}}}}"
        yield Diagnostic("binding-dangling", message, expression_span(graph.context, found), hint)


def _dangling_binding_diagnostic(
    graph: PipelineGraph, found: Expression, message: str, name: str, known: Iterable[str]
) -> Diagnostic:
    names = [str(each) for each in known]
    hint = (did_you_mean(name, names) if len(names) <= _MAX_SUGGESTION_NAMES else "") or (
        f"there is {', '.join(sorted(names)[:10])}" if names else ""
    )
    return Diagnostic("binding-dangling", f"{found}: {message}", expression_span(graph.context, found), hint)


CHECKS: tuple[PipelineCheck, ...] = (check_dangling_bindings, check_legacy_bindings)
