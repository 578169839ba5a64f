"""The JSON schemas, and whether a document satisfies the one of its kind.

jsonschema-rs decides, in microseconds; what does not satisfy is explained by ``explain``, which is loaded by name and
only then. A test holds that the two agree.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from functools import cache

import jsonschema_rs

from reconciler.data import folder
from reconciler.diagnostics import Diagnostic
from reconciler.format.yaml import Document
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


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(documents().items()))


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(documents()[identity(name)], registry=_registry())


def satisfies(data: Json, name: str) -> bool:
    """Tell whether a value satisfies the schema of that name."""
    return _validator(name).is_valid(data)


def prepare(names: Iterable[str]) -> None:
    """Compile schemas beforehand: worth it before processes part, each of which would have to."""
    for name in names:
        _validator(name)


def check(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Say everything in which a document departs from the schema of that name."""
    if satisfies(document.data, name):
        return ()
    found: tuple[Diagnostic, ...] = importlib.import_module("reconciler.format.explain").explain(document, name)
    # Should the two ever disagree, what the first refused is refused still.
    return found or (
        Diagnostic("wrong-value", f"the file is not what the schema of {name} describes", document.key("")),
    )
