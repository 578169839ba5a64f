"""What specs are made of, for rules to go through: mappings with fields of their own, and values of any type.

A spec satisfies its schema when rules see it, but schemas are kinder than types: a number may be text, a name may
be an expression. Nothing here raises, whatever the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.format.rule_context import RuleContext
from reconciler.model import EMPTY_MAPPING, Json, Spec

Pointer = tuple[str | int, ...]

_INTEGER_TEXT = re.compile(r"\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*")
# Text that stands for a value that somebody still has to fill in: <NAME>, {{name}}, ${NAME}, $(name).
_PLACEHOLDER = re.compile(r"<[^<>]*>?|\{\{.*?\}\}|\$\{(?!\{)[^}]*\}|\$\([^)]*\)")


@dataclass(frozen=True, slots=True)
class SpecNode:
    """A mapping inside an asset that is something by itself: the asset, a node of it, a component written in it."""

    pointer: Pointer
    spec: Spec

    @property
    def type(self) -> str:
        """Return what the part says it is, in lower case; "" where it says nothing."""
        return as_lower_text(self.spec.get("type"))

    def child_pointer(self, *keys: str | int) -> Pointer:
        """Return the pointer of something inside."""
        return (*self.pointer, *keys)

    def child(self, *keys: str | int) -> SpecNode:
        """Return what stands below; empty where that is no mapping."""
        spec: Json = self.spec
        for key in keys:
            spec = as_mapping(spec).get(str(key))
        return SpecNode(self.child_pointer(*keys), as_mapping(spec))

    def child_nodes(self) -> Iterator[tuple[str, SpecNode]]:
        """Yield the mappings inside by their keys."""
        for name, value in self.spec.items():
            if isinstance(value, dict):
                yield name, SpecNode(self.child_pointer(name), value)


@lru_cache(maxsize=4)  # every rule of a subject asks for them
def executable_nodes(subject: RuleContext) -> tuple[SpecNode, ...]:
    """Return all that can hold code and an environment: an asset, its trial, its nodes, components written in them."""
    return tuple(_walk_executable_nodes(SpecNode((), subject.spec)))


@lru_cache(maxsize=4)
def executable_nodes_and_tasks(subject: RuleContext) -> tuple[SpecNode, ...]:
    """Return the same with the tasks of parallel ones, each behind the part that it is of: what runs code itself."""
    return tuple(node for part in executable_nodes(subject) for node in (part, part.child("task")) if node.spec)


def _walk_executable_nodes(part: SpecNode) -> Iterator[SpecNode]:
    yield part
    for field in _NESTED_EXECUTABLE_FIELDS:
        if type(part.spec.get(field)) is dict:
            yield from _walk_executable_nodes(part.child(field))
    if "jobs" in part.spec:
        for _, node in part.child("jobs").child_nodes():
            yield from _walk_executable_nodes(node)


_NESTED_EXECUTABLE_FIELDS = ("trial", "component", "create_job")


def as_mapping(value: Json) -> Spec:
    """Return the value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else EMPTY_MAPPING


def as_lower_text(value: Json) -> str:
    """Return text in lower case; "" where the value is none."""
    return value.lower() if isinstance(value, str) else ""


def as_integer(value: Json) -> int | None:
    """Return the whole number that a value is or says; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value) if isinstance(value, float) else value
    if not isinstance(text, str) or not _INTEGER_TEXT.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def iter_strings(value: Json, pointer: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Yield every text inside a value with its pointer."""
    if isinstance(value, str):
        yield pointer, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        if isinstance(each, str):
            yield (*pointer, key), each
        elif isinstance(each, dict | list):
            yield from iter_strings(each, (*pointer, key))


def has_placeholder(text: str) -> bool:
    """Tell whether a text waits to be filled in: <NAME>, {{name}}, ${NAME}."""
    return _PLACEHOLDER.search(text, 0, 300) is not None  # a name, a key: nothing longer is meant
