"""The words of schema errors: hints with the form that Azure ML takes today, for older forms and wrong types.

Users meet the older forms in files of the preview versions and in answers on the web, such as ``compute: {target: c}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.scalars import is_date
from reconciler.model import Json

# Fields of older versions, and those of today.
_RENAMED_FIELDS: Mapping[str, tuple[str, ...]] = {
    "data": ("path",),
    "dataset": ("path",),
    "data_asset": ("path",),
    "folder": ("path",),
    "file": ("path",),
    "uri": ("path",),
    "local_path": ("path", "code"),
    "docker": ("image",),
    "conda": ("conda_file",),
    "conda_dependencies": ("conda_file",),
    "job_type": ("type",),
    "datatype": ("type",),
    "data_type": ("type",),
    "priority": ("tier",),
    "vm_size": ("size",),
    "vm_priority": ("tier",),
    "min_nodes": ("min_instances",),
    "max_nodes": ("max_instances",),
    "node_count": ("instance_count",),
    "process_count": ("process_count_per_instance",),
    "process_count_per_node": ("process_count_per_instance",),
    "experiment": ("experiment_name",),
    "target": ("compute",),
    "compute_target": ("compute",),
    "environment_vars": ("environment_variables",),
}
# Fields that hold the value itself in mappings that today are text; the first that a mapping has counts.
_VALUE_FIELDS = ("target", "local_path", "path", "asset", "id", "uri", "data", "dataset", "image", "value")
_COUNT_FIELDS = ("instance_count", "node_count")
_PRIMITIVE_TYPES = frozenset({"string", "number", "integer", "boolean"})
_TYPE_SUFFIX = re.compile(r"[_-]?(?:job|component|step|node)$", re.IGNORECASE)
_MAX_LENGTH = 60  # of a value in a message
NODE_NAME_PATTERN = "^[a-z_][a-z0-9_]*$"
_LOWER_NAME_PATTERNS = ("^[a-z][a-z0-9_]*$", NODE_NAME_PATTERN)  # of components and nodes
TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def value_hint(document: Document, path: Sequence[str | int], value: Json, types: Collection[str]) -> str:
    """Return the form in which to write a value whose type is not one of ``types``; "" if none is known."""
    if not path or "string" not in types:
        return ""
    text = _text_of(document, path, value)
    if text is None or len(text) > _MAX_LENGTH or "\n" in text:
        return ""
    hint = f"write {_assignment(path, text, is_text=not isinstance(value, dict))}"
    counts = [value[name] for name in _COUNT_FIELDS if name in value] if isinstance(value, dict) else []
    return f"{hint}, and instance_count: {counts[0]} under resources:" if counts else hint


def _text_of(document: Document, path: Sequence[str | int], value: Json) -> str | None:
    """Return the text that a value of another type stands for; None if there is none."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) if value and all(isinstance(item, str | int) for item in value) else None
    if not isinstance(value, dict):
        return document.scalar_text(join_pointer(*path)) or (None if value is None else json.dumps(value))
    names = [name for name in _VALUE_FIELDS if isinstance(value.get(name), str)]
    names += [name for name in value if len(value) == 1 and isinstance(value[name], str)]
    return str(value[names[0]]) if names else None


def _assignment(path: Sequence[str | int], text: str, *, is_text: bool) -> str:
    """Return a key with its value, or an item of a list, in quotes if it could be read as another type."""
    quoted = json.dumps(text, ensure_ascii=False) if is_text else text
    return f"- {quoted}" if isinstance(path[-1], int) else f"{path[-1]}: {quoted}"


def type_hint(document: Document, path: Sequence[str | int], value: Json, allowed: Iterable[str]) -> str:
    """Return the form for a ``type`` that is not allowed: that of a constant input, or a name without its suffix."""
    if not path or path[-1] != "type" or not isinstance(value, str):
        return ""
    if value.lower() in _PRIMITIVE_TYPES and "inputs" in path[:-1]:
        parent = find_value(document.data, [str(part) for part in path[:-1]])
        constant = next((parent[key] for key in ("default", "value") if key in parent), "VALUE")
        written = constant if isinstance(constant, str) else json.dumps(constant)
        return f"write the value itself, {path[-2]}: {written}; only components declare the types of their inputs"
    name = _TYPE_SUFFIX.sub("", value.lower())
    return f"write type: {name}" if name != value and name in allowed else ""


def field_hint(name: str, allowed: Collection[str]) -> str:
    """Return the name that an unknown field has today; "" if none is known."""
    today = next((field for field in _RENAMED_FIELDS.get(name, ()) if field in allowed), "")
    return f"today this is {today}:" if today else ""


def name_hint(name: Json, pattern: str) -> str:
    """Return a name that is similar to one that does not match the pattern of nodes or components; "" for others."""
    if pattern not in _LOWER_NAME_PATTERNS or not isinstance(name, str):
        return ""
    legal = re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    legal = re.sub(r"_+", "_", legal).strip("_")
    return f"write {legal if legal[:1].isalpha() else f'n_{legal}'}; use lowercase letters, digits and _"


def date_text(document: Document, pointer: str) -> str:
    """Return the source text of an unquoted date; "" for any other value."""
    text = document.plain_text(pointer)
    return text if text is not None and is_date(text) else ""


def format_value(value: Json) -> str:
    """Return a value for a message: short, on one line."""
    if isinstance(value, dict | list):
        return TYPE_NAMES["object" if isinstance(value, dict) else "array"]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."


_BOUND_PHRASES = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minItems": "at least",
    "maxItems": "at most",
    "minLength": "at least",
    "maxLength": "at most",
    "minProperties": "at least",
    "maxProperties": "at most",
}
_BOUND_UNITS = {"Items": " entries", "Length": " characters", "Properties": " entries"}


def constraint_message(keyword: str, limit: Json, value: Json, rule: str) -> str:
    """Return how a value breaks a keyword of a schema; ``rule`` says what is allowed in words, "" for none."""
    text = format_value(value)
    if keyword in _BOUND_PHRASES:
        unit = next((noun for suffix, noun in _BOUND_UNITS.items() if keyword.endswith(suffix)), "")
        verb = "have" if unit else "be"
        return f"this must {verb} {_BOUND_PHRASES[keyword]} {limit}{unit}: it is {text}"
    return f"{text} is not allowed here" + (f": {rule}" if rule else "")
