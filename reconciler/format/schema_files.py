"""The JSON schemas as files that are part of the package: each by its name, and all of them by their ``$id``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from reconciler.model import Json
from reconciler.package_files import data_folder

_SCHEMA_BASE_URL = "https://mlgit.dev/schemas/"


def schema_id(name: str) -> str:
    """Return the ``$id`` of the schema of that name, ``job`` or ``mlgit``."""
    return f"{_SCHEMA_BASE_URL}{name}.schema.json"


@cache
def load_schemas() -> Mapping[str, Json]:
    """Return every schema by its ``$id``."""
    found = (json.loads(path.read_bytes()) for path in sorted(data_folder("schemas").rglob("*.schema.json")))
    return {schema["$id"]: schema for schema in found}
