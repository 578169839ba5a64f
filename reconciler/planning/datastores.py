"""The datastores that need no file: those of mlgit.yml, and those that every workspace has."""

from __future__ import annotations

from reconciler.config.config import Config
from reconciler.format.data_references import DEFAULT_DATASTORE_ADDRESSES, datastore_addresses
from reconciler.model import Address


def given_datastores(config: Config) -> frozenset[Address]:
    """Return the datastores of mlgit.yml, and those that every workspace has."""
    return DEFAULT_DATASTORE_ADDRESSES | datastore_addresses(config.datastores)
