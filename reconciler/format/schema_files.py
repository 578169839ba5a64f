"""The JSON schema files of the package, by name and by ``$id``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import urljoin

from reconciler.model import Json
from reconciler.package_files import data_folder

_SCHEMA_BASE_URL = "https://mlgit.dev/schemas/"
_REFERENCE = re.compile(rb'"\$ref":\s*"([^"#]+)')


def schema_id(name: str) -> str:
    """Return the ``$id`` of the schema of that name, such as ``job`` or ``mlgit``."""
    return f"{_SCHEMA_BASE_URL}{name}.schema.json"


@cache
def load_schema(schema_id: str) -> Json:
    """Return the schema with this ``$id``."""
    return json.loads(_read_schema(schema_id))


@cache
def _read_schema(schema_id: str) -> bytes:
    return (data_folder("schemas") / schema_id.removeprefix(_SCHEMA_BASE_URL)).read_bytes()


def load_referenced_schemas(schema: Json) -> Mapping[str, Json]:
    """Return the schemas that a schema refers to, directly or not, by their ``$id``."""
    referenced = set(_references_in(schema, schema["$id"]))
    pending = list(referenced)
    while pending:
        new = _referenced_files(pending.pop()) - referenced
        referenced |= new
        pending += new
    return {target: load_schema(target) for target in referenced}


@cache
def _referenced_files(schema_id: str) -> frozenset[str]:
    """Return the ``$id`` of each other file that a file refers to; its text is searched, which is faster."""
    return frozenset(urljoin(schema_id, name.decode()) for name in _REFERENCE.findall(_read_schema(schema_id)))


def _references_in(value: Json, base: str) -> Iterator[str]:
    """Yield the ``$id`` of each other file that is referred to in a schema of the file ``base``."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield urljoin(base, reference.partition("#")[0])
        for child in value.values():
            yield from _references_in(child, base)
    elif isinstance(value, list):
        for child in value:
            yield from _references_in(child, base)


@cache
def load_schemas() -> Mapping[str, Json]:
    """Return all schemas by their ``$id``."""
    schemas = (json.loads(path.read_bytes()) for path in sorted(data_folder("schemas").rglob("*.schema.json")))
    return {schema["$id"]: schema for schema in schemas}
