"""What nodes give to their components: all that is required, nothing that is not declared, and values that fit.

Reference, section 8. azure-ai-ml asks for required inputs; what is given beyond them, and of which type, only the
service says. Nobody knows what a component takes that is named by reference. Types of bindings are for ``flows``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.pointers import join_pointer
from reconciler.format.rules.bindings import node_bindings
from reconciler.format.rules.expressions import expression_span
from reconciler.format.rules.graph import PipelineCheck, PipelineGraph
from reconciler.format.rules.spec_nodes import SpecNode, as_lower_text, as_mapping
from reconciler.format.rules.values import declared_type, describe_range_violation, describe_type_mismatch
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_GROUP_TYPE = "group"


def given_inputs(user: SpecNode) -> Mapping[str, Json]:
    """Return what a node gives to its component; a sweep gives what it searches, too."""
    return {**as_mapping(user.spec.get("search_space")), **as_mapping(user.spec.get("inputs"))}


def check_required_inputs(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield inputs that a component requires and its user does not give, as azure-ai-ml does."""
    for user, known in graph.component_uses():
        have = given_inputs(user)
        for name, declared in known.inputs.items():
            port = as_mapping(declared)
            if (
                as_lower_text(port.get("type")) == _GROUP_TYPE
                or port.get("optional") is True
                or port.get("default") is not None
            ):
                continue
            if have.get(name) is None:
                message = f"the input {name}, which {known.display_name} requires, is not given"
                at = user.child_pointer("inputs") if "inputs" in user.spec else user.pointer
                yield graph.context.key_diagnostic("input-missing", message, *at, hint=f"add {name}: under inputs:")


def check_undeclared_io(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield inputs and outputs that a component does not have.

    azure-ai-ml drops such inputs, so that real files have them: a warning. An output that is never made is an error.
    """
    for at, message, hint in _find_undeclared_io(graph, "inputs"):
        yield Diagnostic("input-undeclared", message, at, hint, Severity.WARNING)
    for at, message, hint in _find_undeclared_io(graph, "outputs"):
        yield Diagnostic("output-undeclared", message, at, hint)


def _find_undeclared_io(graph: PipelineGraph, group: str) -> Iterator[tuple[Span, str, str]]:
    """Yield place, message and hint for what nodes name of a group that their component does not have."""
    for user, known in graph.component_uses():
        declared = as_mapping(known.node.spec.get(group))
        for name in as_mapping(user.spec.get(group)):
            if name not in declared and not _is_group_member(name, declared):
                message = f"{known.display_name} has no {group[:-1]} {name}"
                names = [str(each) for each in declared]
                hint = did_you_mean(name, names) or f"it has {', '.join(sorted(names)) or 'none'}"
                yield graph.context.document.key_span(join_pointer(*user.child_pointer(group, name))), message, hint


def _is_group_member(name: str, declared: Mapping[str, Json]) -> bool:
    return as_lower_text(as_mapping(declared.get(name.partition(".")[0])).get("type")) == _GROUP_TYPE


def check_constant_inputs(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield constants that cannot be what the component takes; of bindings ``flows`` says that."""
    for user, known in graph.component_uses():
        for name, value in as_mapping(user.spec.get("inputs")).items():
            port = as_mapping(known.inputs.get(name))
            text = value.get("path") if isinstance(value, dict) else value
            if declared_type(port) and value is not None and not (isinstance(text, str) and "${{" in text):
                yield from check_input_value(
                    value, port, graph.context.document.value_span(join_pointer(*user.child_pointer("inputs", name)))
                )


def check_input_value(value: Json, port: Spec, at: Span, said_by: str = "") -> Iterator[Diagnostic]:
    """Yield what is wrong with a constant for an input; ``said_by`` is the expression that it is bound by."""
    head = f"{said_by}: " if said_by else ""
    if why := describe_type_mismatch(value, port):
        yield Diagnostic("input-type", f"{head}{why}", at, _description_hint(port))
    elif why := describe_range_violation(value, port):
        yield Diagnostic("input-range", f"{head}{why}", at, "", Severity.WARNING)


def check_optional_bindings(graph: PipelineGraph) -> Iterator[Diagnostic]:
    """Yield optional inputs of a pipeline that a node hands to a required one, as azure-ai-ml does."""
    for user, known in graph.component_uses():
        for pointer, found in node_bindings(user):
            path = found.path
            if path[:2] != ("parent", "inputs") or len(path) != 3 or "inputs" not in pointer:  # noqa: PLR2004
                continue
            source = as_mapping(graph.inputs.get(path[2]))
            port = known.inputs.get(str(pointer[-2] if pointer[-1] == "path" else pointer[-1]))
            if source.get("optional") is True and isinstance(port, dict) and port.get("optional") is not True:
                message = f"the input {path[2]} of the pipeline is optional, and {known.display_name} requires it"
                yield Diagnostic(
                    "binding-optional", message, expression_span(graph.context, found), "give it a value of its own"
                )


def _description_hint(port: Spec) -> str:
    described = port.get("description")
    return f"it is: {described}" if isinstance(described, str) and described else ""


CHECKS: tuple[PipelineCheck, ...] = (
    check_required_inputs,
    check_undeclared_io,
    check_constant_inputs,
    check_optional_bindings,
)
