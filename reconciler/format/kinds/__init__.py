"""The kinds of assets. Each module defines one as ``KIND``; a new module is discovered by its name."""

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
    all_kinds: list[Kind] = [importlib.import_module(f"{__name__}.{name}").KIND for name in names]
    return {kind.name: kind for kind in sorted(all_kinds, key=lambda kind: (kind.order, kind.name))}


def kind_by_name(name: str) -> Kind:
    """Return the kind of a name; raise KeyError if there is none."""
    return kinds()[name]
