"""The components of pipeline nodes, and the files that are included by a file.

A component is defined inline or in a file (``./x.yml``, ``file:x.yml``), whose paths are relative to that file. The
inputs and outputs of a component that is given by reference are not known, so they are not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.included_file import find_file_problems, has_file_prefix, load_included_file
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, executable_nodes
from reconciler.model import Json

# The fields that can include a file: the kind of that file, and whether the prefix ``file:`` is required.
_INCLUDABLE_FIELDS = {
    "component": ("component", False),
    "trial": ("component", False),
    "create_job": ("job", False),
    "environment": ("environment", True),
}


class ComponentInterface(NamedTuple):
    """A component with its inputs and outputs, and the file that defines it."""

    context: RuleContext
    node: SpecNode

    @property
    def inputs(self) -> Mapping[str, Json]:
        """Return the declared inputs by name."""
        return as_mapping(self.node.spec.get("inputs"))

    @property
    def outputs(self) -> Mapping[str, Json]:
        """Return the declared outputs by name."""
        return as_mapping(self.node.spec.get("outputs"))

    @property
    def display_name(self) -> str:
        """Return the name of the component for messages."""
        return self.context.document.path if not self.node.pointer else "the inline component"


def component_interface(context: RuleContext, node: SpecNode) -> ComponentInterface | None:
    """Return the component of a node; None if it has none, or none that can be read."""
    for field in ("component", "trial"):
        value = node.spec.get(field)
        if isinstance(value, dict):
            return ComponentInterface(context, node.child(field))
        if isinstance(value, str):
            included = load_included_file(context, value)
            return ComponentInterface(included, SpecNode((), included.spec)) if included else None
    return None


def node_interfaces(context: RuleContext, root: SpecNode) -> dict[str, ComponentInterface]:
    """Return the readable components of a pipeline's nodes by the node's name; reads each file once."""
    interfaces: dict[str, ComponentInterface] = {}
    files: dict[str, ComponentInterface | None] = {}
    for name, node in root.child("jobs").child_nodes():
        text = node.spec.get("component", node.spec.get("trial"))
        if not isinstance(text, str):
            interface = component_interface(context, node)
        elif text in files:
            interface = files[text]
        else:
            interface = files[text] = component_interface(context, node)
        if interface is not None:
            interfaces[name] = interface
    return interfaces


def find_included_files(context: RuleContext) -> Iterator[tuple[str, RuleContext]]:
    """Yield the kind and the asset of every file that a file includes, directly or not, each file once."""
    visited = {context.path}
    queue = [context]
    while queue:
        user = queue.pop(0)
        for kind, included in _direct_includes(user):
            if included.path not in visited:
                visited.add(included.path)
                queue.append(included)
                yield kind, included


def _direct_includes(context: RuleContext) -> Iterator[tuple[str, RuleContext]]:
    for kind, text in _find_names(context):
        if included := load_included_file(context, text):
            yield kind, included


def check_unreadable_files(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the YAML of files that a file includes."""
    for _, text in _find_names(context):
        if load_included_file(context, text) is None:
            yield from find_file_problems(context, text)


def _find_names(context: RuleContext) -> Iterable[tuple[str, str]]:
    """Return the kinds and the names of the files that a file includes, each once."""
    return {
        (kind, value): None
        for node in executable_nodes(context)
        for field, (kind, needs_prefix) in _INCLUDABLE_FIELDS.items()
        if isinstance(value := node.spec.get(field), str) and (not needs_prefix or has_file_prefix(value))
    }


RULES: tuple[Rule, ...] = (check_unreadable_files,)
