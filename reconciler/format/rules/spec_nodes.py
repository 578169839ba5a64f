"""The nodes of a spec that rules visit, and the conversion of its values.

A spec satisfies its schema, but a schema is less strict than a type: a number may be text, a name may be an expression.
No function raises an error, whatever the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reconciler.format.pointers import Pointer
from reconciler.format.rule_context import RuleContext
from reconciler.model import EMPTY_MAPPING, Json, Spec

_INTEGER_TEXT = re.compile(r"\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*")
# Placeholders: <NAME>, {{name}}, ${NAME}, $(name).
_PLACEHOLDER = re.compile(r"<[^<>]*>?|\{\{.*?\}\}|\$\{(?!\{)[^}]*\}|\$\([^)]*\)")
_MAX_PLACEHOLDER_OFFSET = 300  # characters; the pattern takes quadratic time


class SpecNode(NamedTuple):
    """A mapping in the spec of an asset, such as the asset itself, a pipeline node or an inline component."""

    pointer: Pointer
    spec: Spec

    @property
    def type(self) -> str:
        """Return the type of the node in lower case; "" if it has none."""
        return as_lower_text(self.spec.get("type"))

    def child_pointer(self, *keys: str | int) -> Pointer:
        """Return the pointer of a descendant."""
        return (*self.pointer, *keys)

    def child(self, *keys: str | int) -> SpecNode:
        """Return a descendant; it has an empty spec if it is not a mapping."""
        spec: Json = self.spec
        for key in keys:
            spec = as_mapping(spec).get(str(key))
        return SpecNode(self.child_pointer(*keys), as_mapping(spec))

    def child_nodes(self) -> Iterator[tuple[str, SpecNode]]:
        """Yield the mappings among the values, by key."""
        for name, value in self.spec.items():
            if isinstance(value, dict):
                yield name, SpecNode(self.child_pointer(name), value)


@lru_cache(maxsize=4)  # most rules of an asset call it
def executable_nodes(context: RuleContext) -> tuple[SpecNode, ...]:
    """Return the nodes that can have code and an environment: an asset, its trial, its nodes, inline components."""
    return tuple(_walk_executable_nodes(SpecNode((), context.spec)))


@lru_cache(maxsize=4)
def executable_nodes_and_tasks(context: RuleContext) -> tuple[SpecNode, ...]:
    """Return the executable nodes, each followed by its parallel task, if any."""
    return tuple(node for user in executable_nodes(context) for node in (user, user.child("task")) if node.spec)


def _walk_executable_nodes(node: SpecNode) -> Iterator[SpecNode]:
    yield node
    for field in _NESTED_EXECUTABLE_FIELDS:
        if type(node.spec.get(field)) is dict:
            yield from _walk_executable_nodes(node.child(field))
    if "jobs" in node.spec:
        for _, job in node.child("jobs").child_nodes():
            yield from _walk_executable_nodes(job)


_NESTED_EXECUTABLE_FIELDS = ("trial", "component", "create_job")


def as_mapping(value: Json) -> Spec:
    """Return a value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, dict) else EMPTY_MAPPING


def as_lower_text(value: Json) -> str:
    """Return a text in lower case; "" for any other value."""
    return value.lower() if isinstance(value, str) else ""


def as_integer(value: Json) -> int | None:
    """Return a value as an integer; None if it is not one, as a number or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value) if isinstance(value, float) else value
    if not isinstance(text, str) or not _INTEGER_TEXT.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def iter_strings(value: Json, pointer: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Yield every text in a value with its pointer."""
    if isinstance(value, str):
        yield pointer, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if isinstance(child, str):
            yield (*pointer, key), child
        elif isinstance(child, dict | list):
            yield from iter_strings(child, (*pointer, key))


def has_placeholder(text: str) -> bool:
    """Return True if the first 300 characters of a text contain a placeholder: <NAME>, {{name}}, ${NAME}, $(name)."""
    return _PLACEHOLDER.search(text, 0, _MAX_PLACEHOLDER_OFFSET) is not None
