"""The inputs that nodes pass to their components: required, declared, and of the right type (reference, section 8).

azure-ai-ml checks only that required inputs are given; the service checks the rest. A component that is given by
reference is not checked, because its inputs are not known. ``type_flow`` checks the types of bindings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.expressions import expression_span
from reconciler.format.pointers import join_pointer
from reconciler.format.rules.bindings import node_bindings
from reconciler.format.rules.components import ComponentInterface
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_lower_text, as_mapping
from reconciler.format.rules.values import declared_type, describe_range_violation, describe_type_mismatch
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_GROUP_TYPE = "group"
_DEFAULT_TYPE, _SWEEP_TYPE = "command", "sweep"
# The types of nodes, each with that of the component which it runs.
_COMPONENT_TYPES = {
    "command": "command",
    "sweep": "command",
    "pipeline": "pipeline",
    "parallel": "parallel",
    "spark": "spark",
}


def given_inputs(user: SpecNode) -> Mapping[str, Json]:
    """Return the inputs that a node passes to its component; those of a sweep include its search space."""
    return {**as_mapping(user.spec.get("search_space")), **as_mapping(user.spec.get("inputs"))}


def check_required_inputs(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield required inputs of components that are not given, as azure-ai-ml does."""
    for user, interface in graph.component_uses():
        given = given_inputs(user)
        for name, declared in interface.inputs.items():
            if _is_required(as_mapping(declared)) and given.get(name) is None:
                message = f"the input {name} of {interface.display_name} is required but not given"
                pointer = user.child_pointer("inputs") if "inputs" in user.spec else user.pointer
                yield graph.context.key_diagnostic(
                    "input-missing", message, *pointer, hint=f"add {name}: under inputs:"
                )


def _is_required(declared: Spec) -> bool:
    if as_lower_text(declared.get("type")) == _GROUP_TYPE:
        return False
    return declared.get("optional") is not True and declared.get("default") is None


def check_node_types(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield nodes of another type than the component that they run, as azure-ai-ml does."""
    for user, interface in graph.component_uses():
        expected = _COMPONENT_TYPES.get(user.type)
        given = interface.node.type or _DEFAULT_TYPE
        if expected and given in _COMPONENT_TYPES.values() and given != expected:
            message = f"{interface.display_name} is a {given} component, which no {user.type} node can run"
            hint = f"write type: {given}" if user.type != _SWEEP_TYPE else "name a command component as trial:"
            yield graph.context.value_diagnostic("node-type", message, *user.child_pointer("type"), hint=hint)


def check_undeclared_io(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield inputs and outputs of nodes that their component does not declare.

    An input is a warning, because azure-ai-ml drops it and existing files have such inputs. An output is an error,
    because it is never written.
    """
    for span, message, hint in _find_undeclared_io(graph, "inputs"):
        yield Diagnostic("input-undeclared", message, span, hint, Severity.WARNING)
    for span, message, hint in _find_undeclared_io(graph, "outputs"):
        yield Diagnostic("output-undeclared", message, span, hint)


def _find_undeclared_io(graph: PipelineGraph, group: str) -> Iterator[tuple[Span, str, str]]:
    """Yield span, message and hint for every input or output of a node that its component does not declare."""
    for user, interface in graph.component_uses():
        declared = as_mapping(interface.node.spec.get(group))
        for name in as_mapping(user.spec.get(group)):
            if name not in declared and not _is_group_member(name, declared):
                message = f"{interface.display_name} has no {group[:-1]} {name}"
                names = [str(candidate) for candidate in declared]
                hint = did_you_mean(name, names) or _declaration_hint(interface, group, names)
                yield graph.context.document.key_span(join_pointer(*user.child_pointer(group, name))), message, hint


def _declaration_hint(interface: ComponentInterface, group: str, names: Sequence[str]) -> str:
    if names:
        return f"available: {', '.join(sorted(names))}"
    path = (*interface.node.pointer[-1:], group)  # an inline component is below component: or trial:
    return f"it has no {group}; declare it under {'.'.join(map(str, path))}:"


def _is_group_member(name: str, declared: Mapping[str, Json]) -> bool:
    return as_lower_text(as_mapping(declared.get(name.partition(".")[0])).get("type")) == _GROUP_TYPE


def check_constant_inputs(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield constants of a type that the component does not accept."""
    for user, interface in graph.component_uses():
        for name, value in as_mapping(user.spec.get("inputs")).items():
            declared = as_mapping(interface.inputs.get(name))
            text = value.get("path") if isinstance(value, dict) else value
            if declared_type(declared) and value is not None and not (isinstance(text, str) and "${{" in text):
                pointer = join_pointer(*user.child_pointer("inputs", name))
                yield from check_input_value(value, declared, graph.context.document.value_span(pointer))


def check_input_value(value: Json, declared: Spec, span: Span, bound_by: str = "") -> Iterator[Diagnostic]:
    """Yield what is wrong with the constant of an input; ``bound_by`` is the expression that refers to it, if any."""
    prefix = f"{bound_by}: " if bound_by else ""
    if mismatch := describe_type_mismatch(value, declared):
        yield Diagnostic("input-type", f"{prefix}{mismatch}", span, _description_hint(declared))
    elif mismatch := describe_range_violation(value, declared):
        yield Diagnostic("input-range", f"{prefix}{mismatch}", span, "", Severity.WARNING)


def check_optional_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield optional inputs of a pipeline that are bound to required inputs, as azure-ai-ml does."""
    for user, interface in graph.component_uses():
        for pointer, expression in node_bindings(user):
            path = expression.path
            if path[:2] != ("parent", "inputs") or len(path) != 3 or "inputs" not in pointer:  # noqa: PLR2004
                continue
            source = as_mapping(graph.inputs.get(path[2]))
            declared = interface.inputs.get(str(pointer[-2] if pointer[-1] == "path" else pointer[-1]))
            if source.get("optional") is True and isinstance(declared, dict) and declared.get("optional") is not True:
                message = f"the pipeline input {path[2]} is optional, but {interface.display_name} requires it"
                hint = "give the pipeline input a default:, or make it required"
                yield Diagnostic("binding-optional", message, expression_span(graph.context, expression), hint)


def _description_hint(declared: Spec) -> str:
    description = declared.get("description")
    return f"description: {description}" if isinstance(description, str) and description else ""


CHECKS: tuple[PipelineCheck, ...] = (
    check_node_types,
    check_required_inputs,
    check_undeclared_io,
    check_constant_inputs,
    check_optional_bindings,
)
