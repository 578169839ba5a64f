"""The JSON schema files of the package, by name and by ``$id``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from reconciler.model import Json
from reconciler.package_files import data_folder

_SCHEMA_BASE_URL = "https://mlgit.dev/schemas/"


def schema_id(name: str) -> str:
    """Return the ``$id`` of the schema of that name, such as ``job`` or ``mlgit``."""
    return f"{_SCHEMA_BASE_URL}{name}.schema.json"


@cache
def load_schemas() -> Mapping[str, Json]:
    """Return all schemas by their ``$id``."""
    schemas = (json.loads(path.read_bytes()) for path in sorted(data_folder("schemas").rglob("*.schema.json")))
    return {schema["$id"]: schema for schema in schemas}
