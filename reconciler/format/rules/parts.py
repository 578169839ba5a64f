"""What specs are made of, for rules to go through: mappings with fields of their own, and values of any type.

A spec satisfies its schema when rules see it, but schemas are kinder than types: a number may be text, a name may
be an expression. Nothing here raises, whatever the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.format.subject import Subject
from reconciler.model import NOTHING, Json, Spec

Pointer = tuple[str | int, ...]

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*")
# Text that stands for a value that somebody still has to fill in: <NAME>, {{name}}, ${NAME}, $(name).
_PLACEHOLDER = re.compile(r"<[^<>]*>?|\{\{.*?\}\}|\$\{(?!\{)[^}]*\}|\$\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping inside an asset that is something by itself: the asset, a node of it, a component written in it."""

    pointer: Pointer
    spec: Spec

    @property
    def type(self) -> str:
        """Return what the part says it is, in lower case; "" where it says nothing."""
        return lower(self.spec.get("type"))

    def below(self, *keys: str | int) -> Pointer:
        """Return the pointer of something inside."""
        return (*self.pointer, *keys)

    def inner(self, *keys: str | int) -> Part:
        """Return what stands below; empty where that is no mapping."""
        spec: Json = self.spec
        for key in keys:
            spec = mapping(spec).get(str(key))
        return Part(self.below(*keys), mapping(spec))

    def mappings(self) -> Iterator[tuple[str, Part]]:
        """Yield the mappings inside by their keys."""
        for name, value in self.spec.items():
            if isinstance(value, dict):
                yield name, Part(self.below(name), value)


@lru_cache(maxsize=4)  # every rule of a subject asks for them
def works(subject: Subject) -> tuple[Part, ...]:
    """Return all that can hold code and an environment: an asset, its trial, its nodes, components written in them."""
    return tuple(_works(Part((), subject.spec)))


@lru_cache(maxsize=4)
def users(subject: Subject) -> tuple[Part, ...]:
    """Return the same with the tasks of parallel ones, each behind the part that it is of: what runs code itself."""
    return tuple(each for part in works(subject) for each in (part, part.inner("task")) if each.spec)


def _works(part: Part) -> Iterator[Part]:
    yield part
    for field in _HOLDERS:
        if type(part.spec.get(field)) is dict:
            yield from _works(part.inner(field))
    if "jobs" in part.spec:
        for _, node in part.inner("jobs").mappings():
            yield from _works(node)


_HOLDERS = ("trial", "component", "create_job")


def mapping(value: Json) -> Spec:
    """Return the value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else NOTHING


def lower(value: Json) -> str:
    """Return text in lower case; "" where the value is none."""
    return value.lower() if isinstance(value, str) else ""


def whole(value: Json) -> int | None:
    """Return the whole number that a value is or says; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value) if isinstance(value, float) else value
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def strings(value: Json, pointer: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Yield every text inside a value with its pointer."""
    if isinstance(value, str):
        yield pointer, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        if isinstance(each, str):
            yield (*pointer, key), each
        elif isinstance(each, dict | list):
            yield from strings(each, (*pointer, key))


def placeholder(text: str) -> bool:
    """Tell whether a text waits to be filled in: <NAME>, {{name}}, ${NAME}."""
    return _PLACEHOLDER.search(text, 0, 300) is not None  # a name, a key: nothing longer is meant
