"""The bindings of pipeline nodes to inputs and outputs of the pipeline and of other nodes.

Reference, section 3: ``${{parent.inputs.X}}``, ``${{parent.outputs.X}}``, ``${{parent.jobs.N.outputs.O}}``,
``${{parent.jobs.N.inputs.I}}``, and for inputs the older ``${{inputs.X}}`` and ``${{jobs.N.outputs.O}}``.
azure-ai-ml checks only the nodes that are defined inline; the service rejects the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.expressions import (
    Expression,
    MalformedExpression,
    expression_span,
    malformed_expression_diagnostic,
    parse_binding,
    parse_expressions,
)
from reconciler.format.pointers import Pointer
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, iter_strings
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_PARENT = "parent"
# Fields in which expressions refer to the node itself.
_NODE_LOCAL_FIELDS = frozenset({"command", "args", "component", "trial", "task"})
_LEGACY_ROOTS = frozenset({"inputs", "outputs", "jobs"})
_IO_GROUPS = ("inputs", "outputs")
_NODE_BINDING_LENGTH = 3  # NODE.outputs.NAME
_MAX_SUGGESTION_NAMES = 300  # a search for the closest of more names, once per diagnostic, takes too long
_MAX_NAMES_IN_HINT = 10
_DEFAULT_OUTPUT = "default"  # the artifacts of any run


def check_dangling_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield bindings to inputs, outputs and nodes that do not exist."""
    for node in graph.nodes.values():
        for pointer, text in _binding_texts(node):
            for expression in parse_expressions(text, pointer):
                if isinstance(expression, MalformedExpression):
                    yield malformed_expression_diagnostic(graph.context, expression)
                elif expression.path[0] == _PARENT:
                    yield from _check_binding(graph, expression, expression.path[1:])


def _binding_texts(node: SpecNode) -> Iterator[tuple[Pointer, str]]:
    for field, value in node.spec.items():
        if field not in _NODE_LOCAL_FIELDS and (isinstance(value, dict | list) or "${{" in str(value)):
            for pointer, text in iter_strings(value, node.child_pointer(field)):
                if "${{" in text:
                    yield pointer, text


def check_legacy_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield bindings in the old form without ``parent.``, what is wrong with them, and expressions of no known form."""
    for pointer, expression in (binding for node in graph.nodes.values() for binding in node_bindings(node)):
        root = expression.path[0]
        if root in _LEGACY_ROOTS:
            yield from _check_binding(graph, expression, expression.path)
            hint = f"write {expression.text.replace(root, f'{_PARENT}.{root}', 1)}"
            message = f"{expression} is the old form of a binding, without parent."
            yield Diagnostic(
                "binding-legacy", message, expression_span(graph.context, expression), hint, Severity.WARNING
            )
        elif root != _PARENT and len(expression.path) > 1:
            message = f"{expression} is not a binding"
            hint = "write ${{parent.inputs.NAME}} or ${{parent.jobs.NODE.outputs.NAME}}"
            yield graph.context.value_diagnostic("binding-unknown", message, *pointer, hint=hint)


def node_bindings(node: SpecNode) -> Iterator[tuple[Pointer, Expression]]:
    """Yield the inputs and outputs of a node that consist of one binding, with their pointers."""
    for group in _IO_GROUPS:
        for name, value in as_mapping(node.spec.get(group)).items():
            if expression := io_binding(value, node.child_pointer(group, name)):
                yield expression.pointer, expression


def io_binding(value: Json, pointer: Pointer) -> Expression | None:
    """Return the binding that an input or output, or its path, consists of; None for any other value."""
    if isinstance(value, dict):
        return parse_binding(value.get("path"), (*pointer, "path"))
    return parse_binding(value, pointer)


def _check_binding(graph: PipelineGraph, expression: Expression, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the target of a binding; ``path`` is the binding without ``parent``."""
    root, *names = path or ("",)
    if root in _IO_GROUPS and names:
        declared = graph.inputs if root == "inputs" else graph.outputs
        if names[0] not in declared and ".".join(names) not in declared:
            yield _dangling_binding_diagnostic(
                graph, expression, f"the pipeline has no {root[:-1]} {names[0]}", names[0], declared
            )
    elif root == "jobs" and names:
        yield from _check_node_binding(graph, expression, names)
    else:
        message = f"{expression} does not refer to an input, an output or a node of the pipeline"
        hint = "use parent.inputs.NAME, parent.outputs.NAME or parent.jobs.NODE.outputs.NAME"
        yield Diagnostic("binding-dangling", message, expression_span(graph.context, expression), hint)


def _check_node_binding(graph: PipelineGraph, expression: Expression, names: list[str]) -> Iterator[Diagnostic]:
    if names[0] not in graph.nodes:
        yield _dangling_binding_diagnostic(
            graph, expression, f"the pipeline has no node {names[0]}", names[0], graph.nodes
        )
    elif len(names) >= _NODE_BINDING_LENGTH and names[1] in _IO_GROUPS:
        declared = graph.node_io(names[0], names[1])
        if (
            declared is not None
            and names[2] not in declared
            and ".".join(names[2:]) not in declared
            and names[2] != _DEFAULT_OUTPUT
        ):
            yield _dangling_binding_diagnostic(
                graph, expression, f"the node {names[0]} has no {names[1][:-1]} {names[2]}", names[2], declared
            )
    elif len(names) > 1:
        message = f"{expression} does not refer to an input or an output of {names[0]}"
        hint = f"write ${{{{parent.jobs.{names[0]}.outputs.NAME}}}}"
        yield Diagnostic("binding-dangling", message, expression_span(graph.context, expression), hint)


def _dangling_binding_diagnostic(
    graph: PipelineGraph, expression: Expression, message: str, name: str, candidates: Iterable[str]
) -> Diagnostic:
    names = [str(candidate) for candidate in candidates]
    hint = (did_you_mean(name, names) if len(names) <= _MAX_SUGGESTION_NAMES else "") or (
        f"available: {', '.join(sorted(names)[:_MAX_NAMES_IN_HINT])}" if names else ""
    )
    return Diagnostic("binding-dangling", f"{expression}: {message}", expression_span(graph.context, expression), hint)


def check_output_writers(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield outputs of a pipeline that outputs of several nodes are bound to: only one can write it."""
    writers: dict[str, str] = {}
    for name, node in graph.nodes.items():
        for pointer, expression in node_bindings(node):
            root, *names = expression.path[1:] if expression.path[0] == _PARENT else expression.path
            if "outputs" in pointer and root == "outputs":
                writer, output = f"{name}.{pointer[len(node.pointer) + 1]}", ".".join(names)
                if (first := writers.setdefault(output, writer)) != writer:
                    message = f"the output {output} of the pipeline is written by {first} and by {writer}"
                    span = expression_span(graph.context, expression)
                    yield Diagnostic("output-twice", message, span, "declare an output of the pipeline for each")


CHECKS: tuple[PipelineCheck, ...] = (check_dangling_bindings, check_legacy_bindings, check_output_writers)
