"""The leaves of the schema of a kind: the fields that a file can set, by JSON pointer with ``*`` for any key.

An object without fields of its own, such as tags, is one leaf, and so is a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

from reconciler.format.pointers import escape_key, find_value, split_pointer
from reconciler.format.schema_files import load_schema, schema_id
from reconciler.model import Json

_CONTAINER = "object"
_BRANCH_KEYWORDS = ("allOf", "anyOf", "oneOf")


class SchemaLeaf(NamedTuple):
    """A field that a file can set. ``schemas`` are all that a schema says of it, one for each form of the file."""

    pointer: str
    schemas: tuple[Json, ...]

    @property
    def is_read_only(self) -> bool:
        """True if the service writes the field, and a file that has it is accepted."""
        return any(schema.get("readOnly") for schema in self.schemas)

    @property
    def defaults(self) -> tuple[Json, ...]:
        """The values that mean the same as no value."""
        return tuple(schema["default"] for schema in self.schemas if "default" in schema)


@cache
def schema_leaves(kind: str, type_name: str = "") -> Mapping[str, SchemaLeaf]:
    """Return the leaves of a kind by pointer; those of one type of it if ``type_name`` is given."""
    walk = _SchemaWalk(type_name)
    walk.visit(load_schema(schema_id(kind)), schema_id(kind), "")
    inner = {pointer.rpartition("/")[0] for pointer in walk.schemas}
    return {
        pointer: SchemaLeaf(pointer, tuple(schemas))
        for pointer, schemas in walk.schemas.items()
        if pointer and (pointer not in inner or any(_has_plain_type(schema) for schema in schemas))
    }


def is_default_value(kind: str, type_name: str, pointer: str, value: Json) -> bool:
    """Return True if a field of a kind has the same meaning with a value as without it, by the schema."""
    leaf = _find_leaf(kind, type_name, pointer)
    return leaf is not None and any(_is_same(value, default) for default in leaf.defaults)


@cache
def _find_leaf(kind: str, type_name: str, pointer: str) -> SchemaLeaf | None:
    leaves, keys = schema_leaves(kind, type_name), split_pointer(pointer)
    return next((leaf for pattern, leaf in leaves.items() if _matches(split_pointer(pattern), keys)), None)


def _matches(pattern: list[str], keys: list[str]) -> bool:
    return len(pattern) == len(keys) and all(part in ("*", key) for part, key in zip(pattern, keys, strict=True))


def _is_same(value: Json, default: Json) -> bool:
    return value == default or str(value).strip().casefold() == str(default).casefold()


@dataclass(slots=True)
class _SchemaWalk:
    """A walk through a schema and all that it refers to."""

    type_name: str
    schemas: dict[str, list[Json]] = field(default_factory=dict)
    active: set[tuple[str, str]] = field(default_factory=set)  # guards against schemas that refer to themselves

    def visit(self, schema: Json, base: str, pointer: str) -> None:
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            self._visit_reference(urljoin(base, schema["$ref"]), pointer)
        self.schemas.setdefault(pointer, []).append(schema)
        for branch in self._branches(schema):
            self.visit(branch, base, pointer)
        for name, child in schema.get("properties", {}).items():
            self.visit(child, base, f"{pointer}/{escape_key(name)}")
        values = schema.get("additionalProperties")
        if isinstance(values, dict) and _allows_objects(values, base):
            self.visit(values, base, f"{pointer}/*")

    def _visit_reference(self, target: str, pointer: str) -> None:
        file, part = urldefrag(target)
        if (target, pointer) in self.active or sum(active == target for active, _ in self.active) > 1:
            return
        self.active.add((target, pointer))
        self.visit(find_value(load_schema(file), split_pointer(part)), file, pointer)
        self.active.discard((target, pointer))

    def _branches(self, schema: Json) -> Iterator[Json]:
        for keyword in _BRANCH_KEYWORDS:
            yield from schema.get(keyword, ())
        if self._may_hold(schema.get("if", {})):
            yield schema.get("then")
        yield schema.get("else")

    def _may_hold(self, condition: Json) -> bool:
        """Return False for a condition on another type than that of the walk."""
        constant = find_value(condition, ["properties", "type", "const"])
        return not self.type_name or constant in (None, self.type_name) or constant not in _type_names()


@cache
def _type_names() -> frozenset[str]:
    """Return the types of jobs, which the first level of that schema tells apart."""
    return frozenset(load_schema(schema_id("job"))["properties"]["type"]["enum"])


def _allows_objects(schema: Json, base: str) -> bool:
    types = schema.get("type", [])
    if "$ref" in schema:
        file, part = urldefrag(urljoin(base, schema["$ref"]))
        types = types or find_value(load_schema(file), [*split_pointer(part), "type"]) or []
    return _CONTAINER in types if types else True


def _has_plain_type(schema: Json) -> bool:
    types = schema.get("type", [])
    return any(name not in (_CONTAINER, "null") for name in ([types] if isinstance(types, str) else types))
