"""The graph of a pipeline with the components of its nodes, built once for all pipeline checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import ComponentInterface, component_interface, node_interfaces
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping
from reconciler.model import Json

_PIPELINE_TYPE = "pipeline"
# Nodes that have inputs and outputs which are not in the file.
_IMPLICIT_IO_TYPES = frozenset({"automl", "data_transfer", "import", "if_else", "do_while", "parallel_for"})


class PipelineGraph(NamedTuple):
    """A pipeline: its inputs and outputs, and its nodes and their readable components by node name.

    A job that runs a pipeline component has no nodes; ``included_component`` is that component.
    """

    context: RuleContext
    root: SpecNode
    inputs: Mapping[str, Json]
    outputs: Mapping[str, Json]
    nodes: Mapping[str, SpecNode]
    interfaces: Mapping[str, ComponentInterface]
    included_component: ComponentInterface | None = None

    def component_uses(self) -> Iterator[tuple[SpecNode, ComponentInterface]]:
        """Yield every node whose component is readable, with the component."""
        if self.included_component is not None:
            yield self.root, self.included_component
        yield from ((self.nodes[name], interface) for name, interface in self.interfaces.items())

    def node_io(self, name: str, group: str) -> Mapping[str, Json] | None:
        """Return the inputs or outputs of a node; None if they are not known."""
        node = self.nodes[name]
        own = as_mapping(node.spec.get(group))
        if node.type in _IMPLICIT_IO_TYPES:
            return None
        if node.spec.get("component") is None and node.spec.get("trial") is None:
            return own
        interface = self.interfaces.get(name)
        return {**own, **as_mapping(interface.node.spec.get(group))} if interface else None


PipelineCheck = Callable[[PipelineGraph], Iterator[Diagnostic]]


def build_pipeline_graph(context: RuleContext) -> PipelineGraph | None:
    """Return the graph of a pipeline; None if the asset is not a pipeline."""
    root = SpecNode((), context.spec)
    inputs, outputs = (as_mapping(context.spec.get(group)) for group in ("inputs", "outputs"))
    if isinstance(context.spec.get("jobs"), dict):
        nodes = dict(root.child("jobs").child_nodes())
        return PipelineGraph(context, root, inputs, outputs, nodes, node_interfaces(context, root))
    included = component_interface(context, root) if root.type == _PIPELINE_TYPE else None
    return PipelineGraph(context, root, inputs, outputs, {}, {}, included) if included else None


@dataclass(frozen=True, slots=True)
class PipelineRule:
    """A rule that runs pipeline checks on an asset, if it is a pipeline."""

    checks: tuple[PipelineCheck, ...]

    def __call__(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Yield the diagnostics of the checks."""
        graph = build_pipeline_graph(context)
        if graph is not None:
            for check in self.checks:
                yield from check(graph)


def pipeline_rule(*checks: PipelineCheck) -> Rule:
    """Return one rule for several checks, so that the graph is built once."""
    return PipelineRule(checks)
