"""Modules of the runner that few runs need, loaded by name: much of a short run is the time to load the others."""

from __future__ import annotations

import importlib
from typing import Any


def load_module(name: str) -> Any:
    """Return a module of this package."""
    return importlib.import_module(f".{name}", __package__)
