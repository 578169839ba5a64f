"""What nodes give to their components: all that is required, nothing that is not declared, and values that fit.

Reference, section 8. azure-ai-ml asks for required inputs; what is given beyond them, and of which type, only the
service says. Nobody knows what a component takes that is named by reference. Types of bindings are for ``flows``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.pointers import join
from reconciler.format.rules.bindings import bound
from reconciler.format.rules.expressions import place
from reconciler.format.rules.graph import Check, Graph
from reconciler.format.rules.parts import Part, lower, mapping
from reconciler.format.rules.values import misfit, out_of_bounds, type_of
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec

_GROUP = "group"


def given(user: Part) -> Mapping[str, Json]:
    """Return what a node gives to its component; a sweep gives what it searches, too."""
    return {**mapping(user.spec.get("search_space")), **mapping(user.spec.get("inputs"))}


def required(graph: Graph) -> Iterator[Diagnostic]:
    """Yield inputs that a component requires and its user does not give, as azure-ai-ml does."""
    for user, known in graph.users():
        have = given(user)
        for name, declared in known.inputs.items():
            port = mapping(declared)
            if lower(port.get("type")) == _GROUP or port.get("optional") is True or port.get("default") is not None:
                continue
            if have.get(name) is None:
                message = f"the input {name}, which {known.shown} requires, is not given"
                at = user.below("inputs") if "inputs" in user.spec else user.pointer
                yield graph.subject.at_key("input-missing", message, *at, hint=f"add {name}: under inputs:")


def undeclared(graph: Graph) -> Iterator[Diagnostic]:
    """Yield inputs and outputs that a component does not have.

    azure-ai-ml drops such inputs, so that real files have them: a warning. An output that is never made is an error.
    """
    for at, message, hint in _beyond(graph, "inputs"):
        yield Diagnostic("input-undeclared", message, at, hint, Severity.WARNING)
    for at, message, hint in _beyond(graph, "outputs"):
        yield Diagnostic("output-undeclared", message, at, hint)


def _beyond(graph: Graph, group: str) -> Iterator[tuple[Span, str, str]]:
    """Yield place, message and hint for what nodes name of a group that their component does not have."""
    for user, known in graph.users():
        declared = mapping(known.part.spec.get(group))
        for name in mapping(user.spec.get(group)):
            if name not in declared and not _of_group(name, declared):
                message = f"{known.shown} has no {group[:-1]} {name}"
                names = [str(each) for each in declared]
                hint = did_you_mean(name, names) or f"it has {', '.join(sorted(names)) or 'none'}"
                yield graph.subject.document.key(join(*user.below(group, name))), message, hint


def _of_group(name: str, declared: Mapping[str, Json]) -> bool:
    return lower(mapping(declared.get(name.partition(".")[0])).get("type")) == _GROUP


def mismatched(graph: Graph) -> Iterator[Diagnostic]:
    """Yield constants that cannot be what the component takes; of bindings ``flows`` says that."""
    for user, known in graph.users():
        for name, value in mapping(user.spec.get("inputs")).items():
            port = mapping(known.inputs.get(name))
            text = value.get("path") if isinstance(value, dict) else value
            if type_of(port) and value is not None and not (isinstance(text, str) and "${{" in text):
                yield from unfit(value, port, graph.subject.document.value(join(*user.below("inputs", name))))


def unfit(value: Json, port: Spec, at: Span, said_by: str = "") -> Iterator[Diagnostic]:
    """Yield what is wrong with a constant for an input; ``said_by`` is the expression that it is bound by."""
    head = f"{said_by}: " if said_by else ""
    if why := misfit(value, port):
        yield Diagnostic("input-type", f"{head}{why}", at, _wanted(port))
    elif why := out_of_bounds(value, port):
        yield Diagnostic("input-range", f"{head}{why}", at, "", Severity.WARNING)


def optional_to_required(graph: Graph) -> Iterator[Diagnostic]:
    """Yield optional inputs of a pipeline that a node hands to a required one, as azure-ai-ml does."""
    for user, known in graph.users():
        for pointer, found in bound(user):
            path = found.path
            if path[:2] != ("parent", "inputs") or len(path) != 3 or "inputs" not in pointer:  # noqa: PLR2004
                continue
            source = mapping(graph.inputs.get(path[2]))
            port = known.inputs.get(str(pointer[-2] if pointer[-1] == "path" else pointer[-1]))
            if source.get("optional") is True and isinstance(port, dict) and port.get("optional") is not True:
                message = f"the input {path[2]} of the pipeline is optional, and {known.shown} requires it"
                yield Diagnostic("binding-optional", message, place(graph.subject, found), "give it a value of its own")


def _wanted(port: Spec) -> str:
    described = port.get("description")
    return f"it is: {described}" if isinstance(described, str) and described else ""


CHECKS: tuple[Check, ...] = (required, undeclared, mismatched, optional_to_required)
