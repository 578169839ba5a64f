"""The kinds there are, one module each with ``KIND = Kind(...)``; found by name, so a new kind is a new file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from reconciler.format.kind import Kind
from reconciler.format.yaml import Document


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind by name, in the order in which a plan lists them."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found: list[Kind] = [module.KIND for module in modules]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.order, kind.name))}


def kind_named(name: str) -> Kind:
    """Return the kind of that name; the name must be one of ``kinds()``."""
    return kinds()[name]


def recognise(document: Document) -> Kind | None:
    """Tell of which kind a document is: by its ``$schema``, else by the keys that only this kind has."""
    if not isinstance(document.data, dict):
        return None
    schema = document.data.get("$schema")
    if isinstance(schema, str):
        named = schema.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".schema").lower()
        return next((kind for kind in kinds().values() if named in kind.schemas), None)
    keys = document.data.keys()
    return next((kind for kind in kinds().values() if any(known <= keys for known in kind.keys)), None)
