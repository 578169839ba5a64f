"""Secrets that mlgit.yml binds to fields of assets: their names and where their values come from, never the values."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

STORE_ADDRESS = "store"
"""What stands in ``for:`` for the object store, which is no asset."""
TRACKING_ADDRESS = "tracking"
"""What stands in ``for:`` for the MLflow registry."""
_BACKEND_PREFIX = "backend/"


def backend_address(name: str) -> str:
    """Return what stands in ``for:`` for a backend of mlgit.yml, which is no asset either."""
    return f"{_BACKEND_PREFIX}{name}"


class SecretBinding(NamedTuple):
    """One secret of mlgit.yml: ``source`` is ``env:VARIABLE``, ``file:PATH`` or ``keyring:SERVICE/USER``.

    ``addresses`` are globs of the addresses of assets that may use it, ``fields`` the JSON pointers of their fields.
    """

    name: str
    source: str
    addresses: tuple[str, ...]
    fields: tuple[str, ...]

    def is_bound(self, address: str, pointer: str) -> bool:
        """Return True if the secret is the value of a field of an asset."""
        return pointer in self.fields and any(fnmatchcase(address, glob) for glob in self.addresses)


def find_binding(bindings: tuple[SecretBinding, ...], address: str, pointer: str) -> SecretBinding | None:
    """Return the secret that is bound to a field of an asset, None if none is."""
    return next((binding for binding in bindings if binding.is_bound(address, pointer)), None)
