"""What files and folders of datastores became in the store: named entries, of a location and its identity."""

from __future__ import annotations

import hashlib
import json

from reconciler.engine.locations import location_key
from reconciler.engine.staged import find_staged
from reconciler.model.content import Content
from reconciler.model.datastores import Location
from reconciler.model.object_store import ObjectStore

FETCHED = "fetched"


def fetched_source(location: Location) -> str:
    """Return the name of the entry of a location."""
    return hashlib.sha256(json.dumps(location_key(location)).encode()).hexdigest()


def find_fetched(store: ObjectStore, location: Location) -> Content | None:
    """Return what a location became in the store; None if it never was there."""
    return find_staged(store, fetched_source(location), FETCHED)
