"""The kinds there are, one module each with ``KIND = Kind(...)``; found by name, so a new kind is a new file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from reconciler.format.kind import Kind


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind by name, in the order in which a plan lists them."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found: list[Kind] = [importlib.import_module(f"{__name__}.{name}").KIND for name in names]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.order, kind.name))}


def kind_by_name(name: str) -> Kind:
    """Return the kind of that name; the name must be one of ``kinds()``."""
    return kinds()[name]
