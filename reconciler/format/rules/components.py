"""What nodes of a pipeline take and give: the interface of their component, where its file is there to be read.

A component may be written in the node, or stand in a file (``./x.yml``, ``file:x.yml``) whose own paths count from
that file; one that is named by reference is not known here, and nobody complains about what it may or may not take.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import has_errors
from reconciler.format.document import Document
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_mapping, executable_nodes
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_URI_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_FILE_PREFIX = "file:"
# Fields that may name a file which is then part of this one: of which kind, and whether only with ``file:``.
_INCLUDABLE_FIELDS = {
    "component": ("component", False),
    "trial": ("component", False),
    "create_job": ("job", False),
    "environment": ("environment", True),
}


@dataclass(frozen=True, slots=True)
class ComponentInterface:
    """The inputs and outputs that a component declares, and the component itself in the file where it stands."""

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
        """Name the component as a message does."""
        return self.context.document.path if not self.node.pointer else "the component written here"


def component_interface(subject: RuleContext, part: SpecNode) -> ComponentInterface | None:
    """Return the interface of a node's component; None where it has none, or none that can be read."""
    for field in ("component", "trial"):
        value = part.spec.get(field)
        if isinstance(value, dict):
            return ComponentInterface(subject, part.child(field))
        if isinstance(value, str):
            opened = load_included_file(subject, value)
            return ComponentInterface(opened, SpecNode((), opened.spec)) if opened else None
    return None


def node_interfaces(subject: RuleContext, whole: SpecNode) -> dict[str, ComponentInterface]:
    """Return the interfaces of a pipeline's nodes by the node's name, of those that are known; each file read once."""
    found: dict[str, ComponentInterface] = {}
    files: dict[str, ComponentInterface | None] = {}
    for name, node in whole.child("jobs").child_nodes():
        text = node.spec.get("component", node.spec.get("trial"))
        if not isinstance(text, str):
            known = component_interface(subject, node)
        elif text in files:
            known = files[text]
        else:
            known = files[text] = component_interface(subject, node)
        if known is not None:
            found[name] = known
    return found


def parse_local_path(text: str) -> str | None:
    """Return the path that a text names, without ``file:``; None where it names something that is no file here."""
    if text.lower().startswith(_FILE_PREFIX):
        return text[len(_FILE_PREFIX) :]
    return None if _URI_SCHEME.match(text) else text


def load_included_file(subject: RuleContext, text: str) -> RuleContext | None:
    """Read the YAML file that a text names beside this one; None where there is no mapping to be read."""
    path = parse_local_path(text)
    if not path or posixpath.isabs(path):
        return None
    target = subject.resolve_relative_path(path)
    if not subject.files.exists(target):
        return None
    try:
        raw = subject.files.read_file(target)
    except (KeyError, OSError):  # a folder
        return None
    document = _parse_valid_document(subject.files.display_path(target), raw)
    if document is None or not isinstance(document.data, dict):
        return None
    return RuleContext(target, document, document.data, subject.files)


@lru_cache(maxsize=512)
def _parse_valid_document(path: str, raw: bytes) -> Document | None:
    document, problems = parse_yaml(path, raw)
    return None if has_errors(problems) else document


def find_included_files(subject: RuleContext) -> Iterator[tuple[str, RuleContext]]:
    """Yield the files that are part of this one, and parts of those, each once: what kind it must be, and the file."""
    seen = {subject.path}
    waiting = [subject]
    while waiting:
        user = waiting.pop(0)
        for kind, opened in _direct_includes(user):
            if opened.path not in seen:
                seen.add(opened.path)
                waiting.append(opened)
                yield kind, opened


def _direct_includes(subject: RuleContext) -> Iterator[tuple[str, RuleContext]]:
    named = {
        (kind, value): None
        for part in executable_nodes(subject)
        for field, (kind, marked) in _INCLUDABLE_FIELDS.items()
        if isinstance(value := part.spec.get(field), str) and (not marked or value.lower().startswith(_FILE_PREFIX))
    }
    for kind, value in named:
        if opened := load_included_file(subject, value):
            yield kind, opened
