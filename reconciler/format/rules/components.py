"""The components of pipeline nodes, and the files that are included by a file.

A component is defined inline or in a file (``./x.yml``, ``file:x.yml``), whose paths are relative to that file. The
inputs and outputs of a component that is given by reference are not known, so they are not checked.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from reconciler.diagnostics import has_errors
from reconciler.format.detect import is_flow
from reconciler.format.document import Document
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, executable_nodes
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_URI_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_FILE_PREFIX = "file:"
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


def parse_local_path(text: str) -> str | None:
    """Return a text without ``file:`` if it is a local path; None if it is a URI or a reference."""
    if text.lower().startswith(_FILE_PREFIX):
        return text[len(_FILE_PREFIX) :]
    return None if _URI_SCHEME.match(text) else text


def load_included_file(context: RuleContext, text: str) -> RuleContext | None:
    """Return the asset in the YAML file that a relative path names; None if there is no readable mapping, or a flow."""
    path = parse_local_path(text)
    if not path or posixpath.isabs(path):
        return None
    included_path = context.resolve_relative_path(path)
    if not context.files.exists(included_path):
        return None
    try:
        raw = context.files.read_file(included_path)
    except (KeyError, OSError):  # a folder
        return None
    document = _parse_valid_document(context.files.display_path(included_path), raw)
    if document is None or not isinstance(document.data, dict) or is_flow(document):
        return None
    return RuleContext(included_path, document, document.data, context.files)


@lru_cache(maxsize=512)
def _parse_valid_document(path: str, raw: bytes) -> Document | None:
    document, diagnostics = parse_yaml(path, raw)
    return None if has_errors(diagnostics) else document


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
    mentions = {
        (kind, value): None
        for node in executable_nodes(context)
        for field, (kind, needs_prefix) in _INCLUDABLE_FIELDS.items()
        if isinstance(value := node.spec.get(field), str)
        and (not needs_prefix or value.lower().startswith(_FILE_PREFIX))
    }
    for kind, value in mentions:
        if included := load_included_file(context, value):
            yield kind, included
