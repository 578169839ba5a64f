"""A pipeline as its rules see it: read once, with the components of its nodes, and then judged by many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import ComponentInterface, component_interface, node_interfaces
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping
from reconciler.model import Json

_PIPELINE_TYPE = "pipeline"
# Nodes whose inputs and outputs Azure ML makes up: what the file says of them is not all.
_IMPLICIT_IO_TYPES = frozenset({"automl", "data_transfer", "import", "if_else", "do_while", "parallel_for"})


@dataclass(frozen=True, slots=True)
class PipelineGraph:
    """A pipeline: what it takes and makes, its nodes by name, and the components that are known of them.

    A job that runs a pipeline component as a whole has no nodes of its own; then ``whole`` is what uses one.
    """

    context: RuleContext
    root: SpecNode
    inputs: Mapping[str, Json]
    outputs: Mapping[str, Json]
    nodes: Mapping[str, SpecNode]
    interfaces: Mapping[str, ComponentInterface]
    included_component: ComponentInterface | None = None

    def component_uses(self) -> Iterator[tuple[SpecNode, ComponentInterface]]:
        """Yield what uses a component that is known, and the component."""
        if self.included_component is not None:
            yield self.root, self.included_component
        yield from ((self.nodes[name], known) for name, known in self.interfaces.items())

    def node_io(self, name: str, group: str) -> Mapping[str, Json] | None:
        """Return the inputs or outputs of a node; None where an unknown component, or Azure ML, decides."""
        node = self.nodes[name]
        own = as_mapping(node.spec.get(group))
        if node.type in _IMPLICIT_IO_TYPES:
            return None
        if node.spec.get("component") is None and node.spec.get("trial") is None:
            return own
        known = self.interfaces.get(name)
        return {**own, **as_mapping(known.node.spec.get(group))} if known else None


PipelineCheck = Callable[[PipelineGraph], Iterator[Diagnostic]]


def build_pipeline_graph(subject: RuleContext) -> PipelineGraph | None:
    """Return the pipeline that a file is; None where it is none."""
    whole = SpecNode((), subject.spec)
    inputs, outputs = (as_mapping(subject.spec.get(each)) for each in ("inputs", "outputs"))
    if isinstance(subject.spec.get("jobs"), dict):
        nodes = dict(whole.child("jobs").child_nodes())
        return PipelineGraph(subject, whole, inputs, outputs, nodes, node_interfaces(subject, whole))
    included = component_interface(subject, whole) if whole.type == _PIPELINE_TYPE else None
    return PipelineGraph(subject, whole, inputs, outputs, {}, {}, included) if included else None


@dataclass(frozen=True, slots=True)
class PipelineRule:
    """The rule that a file, where it is a pipeline, passes all of some checks."""

    checks: tuple[PipelineCheck, ...]

    def __call__(self, subject: RuleContext) -> Iterator[Diagnostic]:
        """Yield what the checks find."""
        graph = build_pipeline_graph(subject)
        if graph is not None:
            for check in self.checks:
                yield from check(graph)


def pipeline_rule(*checks: PipelineCheck) -> Rule:
    """Make one rule of checks, so that the pipeline is read once for all of them."""
    return PipelineRule(checks)
