"""The JSON schemas as files that are part of the package: each by its name, and all of them by their ``$id``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from reconciler.data import folder
from reconciler.model import Json

_BASE = "https://mlgit.dev/schemas/"


def identity(name: str) -> str:
    """Return the ``$id`` of the schema of that name, ``job`` or ``mlgit``."""
    return f"{_BASE}{name}.schema.json"


@cache
def documents() -> Mapping[str, Json]:
    """Return every schema by its ``$id``."""
    found = (json.loads(path.read_bytes()) for path in sorted(folder("schemas").rglob("*.schema.json")))
    return {schema["$id"]: schema for schema in found}
