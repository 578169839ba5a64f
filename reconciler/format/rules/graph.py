"""A pipeline as its rules see it: read once, with the components of its nodes, and then judged by many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.components import Interface, interface, interfaces
from reconciler.format.rules.parts import Part, mapping
from reconciler.format.subject import Rule, Subject
from reconciler.model import Json

_PIPELINE = "pipeline"
# Nodes whose inputs and outputs Azure ML makes up: what the file says of them is not all.
_OPEN = frozenset({"automl", "data_transfer", "import", "if_else", "do_while", "parallel_for"})


@dataclass(frozen=True, slots=True)
class Graph:
    """A pipeline: what it takes and makes, its nodes by name, and the components that are known of them.

    A job that runs a pipeline component as a whole has no nodes of its own; then ``whole`` is what uses one.
    """

    subject: Subject
    whole: Part
    inputs: Mapping[str, Json]
    outputs: Mapping[str, Json]
    nodes: Mapping[str, Part]
    known: Mapping[str, Interface]
    included: Interface | None = None

    def users(self) -> Iterator[tuple[Part, Interface]]:
        """Yield what uses a component that is known, and the component."""
        if self.included is not None:
            yield self.whole, self.included
        yield from ((self.nodes[name], known) for name, known in self.known.items())

    def ports(self, name: str, group: str) -> Mapping[str, Json] | None:
        """Return the inputs or outputs of a node; None where an unknown component, or Azure ML, decides."""
        node = self.nodes[name]
        own = mapping(node.spec.get(group))
        if node.type in _OPEN:
            return None
        if node.spec.get("component") is None and node.spec.get("trial") is None:
            return own
        known = self.known.get(name)
        return {**own, **mapping(known.part.spec.get(group))} if known else None


Check = Callable[[Graph], Iterator[Diagnostic]]


def read(subject: Subject) -> Graph | None:
    """Return the pipeline that a file is; None where it is none."""
    whole = Part((), subject.spec)
    inputs, outputs = (mapping(subject.spec.get(each)) for each in ("inputs", "outputs"))
    if isinstance(subject.spec.get("jobs"), dict):
        nodes = dict(whole.inner("jobs").mappings())
        return Graph(subject, whole, inputs, outputs, nodes, interfaces(subject, whole))
    included = interface(subject, whole) if whole.type == _PIPELINE else None
    return Graph(subject, whole, inputs, outputs, {}, {}, included) if included else None


@dataclass(frozen=True, slots=True)
class OnGraph:
    """The rule that a file, where it is a pipeline, passes all of some checks."""

    checks: tuple[Check, ...]

    def __call__(self, subject: Subject) -> Iterator[Diagnostic]:
        """Yield what the checks find."""
        graph = read(subject)
        if graph is not None:
            for check in self.checks:
                yield from check(graph)


def on_graph(*checks: Check) -> Rule:
    """Make one rule of checks, so that the pipeline is read once for all of them."""
    return OnGraph(checks)
