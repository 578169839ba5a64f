"""What a provider supports of each kind, as tables, and a spec compared with such a table.

A table names parts of a spec by JSON pointers in which ``*`` stands for any one key or index. A pointer covers all that
is below it; one with longer pointers below it covers a plain value only. What no table names is refused.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Json, Spec
from reconciler.model.docker_arguments import parse_docker_arguments, parse_size
from reconciler.model.ray_arguments import are_ray_arguments

_ANY = "*"
NUMBER = "a number"  # among the values of an entry: any number, and no expression
SIZE = "a size such as `2g`"
DOCKER_ARGUMENTS = "supported arguments of `docker run`"
RAY_ARGUMENTS = "other arguments of `ray start`"


class Condition(NamedTuple):
    """Another field of a spec, by its JSON pointer, and the value that it must have, in any case."""

    pointer: str
    value: str


class Honoured(NamedTuple):
    """A part of a spec that a provider does as the file says. With ``values``, only these of a field, in any case.

    With ``when``, the entry is there only for specs that have a value in another field. ``reason`` says why it has no
    other values, ``note`` what a plan says of a value that is no default.
    """

    pointer: str
    values: tuple[str, ...] = ()
    when: Condition | None = None
    reason: str = ""
    note: str = ""


class Ignored(NamedTuple):
    """A part of a spec that has no effect and does no harm, and why. With ``values``, only these of a field.

    ``is_usual`` is True if nearly every file has it, for Azure ML: plans say that it is ignored, `validate` does not.
    """

    pointer: str
    reason: str
    values: tuple[str, ...] = ()
    is_usual: bool = False
    when: Condition | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """What a provider honours, and what it ignores with a warning, by kind. A table equals itself only."""

    honoured: Mapping[str, tuple[Honoured, ...]] = field(default_factory=lambda: EMPTY_MAPPING)
    ignored: Mapping[str, tuple[Ignored, ...]] = field(default_factory=lambda: EMPTY_MAPPING)

    def entries(self, kind: str) -> tuple[Honoured | Ignored, ...]:
        """Return all entries about a kind."""
        return (*self.honoured.get(kind, ()), *self.ignored.get(kind, ()))

    def unmet_entries(self, kind: str, spec: Spec) -> frozenset[Honoured | Ignored]:
        """Return the entries about a kind that are not there for a spec."""
        return frozenset(
            entry for entry in self.entries(kind) if entry.when is not None and not _is_met(entry.when, spec)
        )


class UnsupportedField(NamedTuple):
    """A part of a spec that a table does not name, or a value that it does not allow, by JSON pointer.

    ``leaves`` are the pointers of the values in it. If only the value is not allowed, ``entry`` has those that are.
    """

    pointer: str
    leaves: tuple[str, ...]
    value: Json = None
    entry: Honoured | Ignored | None = None


class IgnoredField(NamedTuple):
    """A value of a spec that a provider ignores, by JSON pointer."""

    pointer: str
    entry: Ignored


class NotedField(NamedTuple):
    """A value of a spec that is honoured in a way that a plan says, by JSON pointer."""

    pointer: str
    entry: Honoured


ComparedField = UnsupportedField | IgnoredField | NotedField
IsDefault = Callable[[str, Json], bool]
"""Returns True if a field, by its JSON pointer, has the same meaning with a value as without it."""


@dataclass(slots=True)
class EntryTree:
    """The entries of a table that begin with the same segments; ``entry`` ends here."""

    entry: Honoured | Ignored | None = None
    children: dict[str, EntryTree] = field(default_factory=dict)

    @property
    def honours_all(self) -> bool:
        """True if whatever is below these segments is honoured."""
        return isinstance(self.entry, Honoured) and not self.entry.values and not self.children


def make_entry_tree(entries: Iterable[Honoured | Ignored]) -> EntryTree:
    """Return the entries of a table as a tree by the segments of their pointers."""
    root = EntryTree()
    for entry in entries:
        node = root
        for segment in entry.pointer.split("/")[1:]:
            node = node.children.setdefault(segment, EntryTree())
        node.entry = entry
    return root


def compare_with_support(spec: Spec, entries: EntryTree, is_default: IsDefault) -> Iterator[ComparedField]:
    """Yield what of a spec the entries of a table do not name, what they ignore, and what they have a note on.

    What is not set, and what is unsupported but a default, is left out.
    """
    yield from _compare_value(spec, "", (entries,), is_default)


def _compare_value(
    value: Json, pointer: str, nodes: tuple[EntryTree, ...], is_default: IsDefault
) -> Iterator[ComparedField]:
    if not _is_set(value):
        return
    is_mapping = isinstance(value, Mapping)
    entry = next((node.entry for node in nodes if node.entry and not (is_mapping and node.children)), None)
    if entry is not None and (not entry.values or _is_one_of(value, entry.values)):
        if isinstance(entry, Ignored):
            yield from (IgnoredField(leaf, entry) for leaf, _ in _leaves(value, pointer))
        elif entry.note and not is_default(pointer, value):
            yield NotedField(pointer, entry)
    elif is_mapping and any(node.children for node in nodes):
        for key, item in value.items():
            segment = _escape(str(key))
            below = [node.children[name] for node in nodes for name in (segment, _ANY) if name in node.children]
            if below and below[0].honours_all:
                continue
            yield from _compare_value(item, f"{pointer}/{segment}", tuple(below), is_default)
    else:
        changed = tuple(leaf for leaf, item in _leaves(value, pointer) if not is_default(leaf, item))
        if changed:
            yield UnsupportedField(pointer, changed, value, entry)


def _leaves(value: Json, pointer: str) -> Iterator[tuple[str, Json]]:
    """Yield the values in a part of a spec that are set; a list is one value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{pointer}/{_escape(str(key))}")
    elif _is_set(value):
        yield pointer, value


def _is_set(value: Json) -> bool:
    return value is not None and value not in ({}, [])


def _is_one_of(value: Json, values: Sequence[str]) -> bool:
    if isinstance(value, list):
        value = shlex.join(map(str, value)) if DOCKER_ARGUMENTS in values else value
    if isinstance(value, Mapping | list):
        return False
    text = str(value).strip().casefold()
    return text in values or any(FORMS[name](str(value).strip()) for name in values if name in FORMS)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


FORMS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        NUMBER: _is_number,
        SIZE: lambda text: parse_size(text) is not None,
        DOCKER_ARGUMENTS: lambda text: not isinstance(parse_docker_arguments(text), str),
        RAY_ARGUMENTS: are_ray_arguments,
    }
)
"""What the values of an entry can be besides single ones, with the function that tells whether a text is one."""


def _is_met(condition: Condition, spec: Spec) -> bool:
    value: Json = spec
    for key in condition.pointer.split("/")[1:]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return _is_one_of(value, (condition.value,))


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
