"""What the nodes of a pipeline give to registered components and read from them; rules check components in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.format.suggest import did_you_mean
from reconciler.planning.jobs.lowering import NodeProblem
from reconciler.planning.jobs.nodes import DEFAULT_OUTPUTS, Node, find_binding
from reconciler.planning.jobs.sources import Part

_INPUTS, _OUTPUTS, _JOBS, _SEARCH_SPACE = "inputs", "outputs", "jobs", "search_space"
_GROUP_TYPE = "group"


def find_port_problems(nodes: Mapping[str, Node]) -> Iterator[NodeProblem]:
    """Yield required inputs that the nodes of a pipeline do not give, and outputs that their components do not have."""
    for node in nodes.values():
        if _is_registered(node):
            yield from _missing_inputs(node)
            for name, part in node.part.children(_OUTPUTS).items():
                yield from _unknown_output(node, name, part)
        for part in node.part.children(_INPUTS).values():
            group, source, kind, *names = (*(find_binding(part) or ()), "", "", "")
            if group == _JOBS and kind == _OUTPUTS and source in nodes and _is_registered(nodes[source]):
                yield from _unknown_output(nodes[source], ".".join(filter(None, names)), part)


def _is_registered(node: Node) -> bool:
    return node.component.source is not node.part.source


def _missing_inputs(node: Node) -> Iterator[NodeProblem]:
    given = {**node.part.child(_SEARCH_SPACE).fields, **node.part.child(_INPUTS).fields}
    for name, declared in node.component.children(_INPUTS).items():
        fields = declared.fields
        is_optional = fields.get("optional") is True or str(fields.get("type")).lower() == _GROUP_TYPE
        if given.get(name) is None and fields.get("default") is None and not is_optional:
            message = f"the input {name} of {_label(node)} is required but not given"
            yield NodeProblem(node.part.place, message, f"add {name}: under inputs:", "input-missing")


def _unknown_output(node: Node, name: str, part: Part) -> Iterator[NodeProblem]:
    declared = node.component.children(_OUTPUTS)
    if name not in declared and name not in DEFAULT_OUTPUTS:
        hint = did_you_mean(name, declared) or f"outputs it has: {', '.join(declared) or 'none'}"
        yield NodeProblem(part.place, f"{_label(node)} has no output {name}", hint, "binding-dangling")


def _label(node: Node) -> str:
    version = node.component.source.version
    return version.address.format_with_version(version.version) if version else node.path
