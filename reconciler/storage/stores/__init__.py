"""Object stores by name: a module of this package has one in ``STORE``, an installed package names one.

A module is light, so that its settings are checked without its code, which lies in other modules of ``storage``.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import Json
from reconciler.model.object_store import ObjectStore, StoreContext
from reconciler.model.plugins import StorePlugin
from reconciler.registry import Registry

STORES: Registry[StorePlugin] = Registry("store", __name__, "STORE", "mlgit.stores")


def open_store(name: str, settings: Mapping[str, Json], context: StoreContext) -> ObjectStore:
    """Return the store of that name; raises UserError (``store-unknown``, ``store-broken``).

    Its factory gets its settings in mlgit.yml and where it is opened.
    """
    store: ObjectStore = STORES.open(name, settings, context)
    return store
