"""Types of datastores by name: one module for each storage service, all through fsspec.

A type is a module of this package whose attribute ``DATASTORE`` is a `DatastorePlugin`, or an entry point of the group
``mlgit.datastores`` that names one. A file of the kind datastore, or ``datastores:`` of mlgit.yml, names the type. The
contract tests run on every type.
"""

from __future__ import annotations

from importlib.util import find_spec

from reconciler.diagnostics import user_error
from reconciler.model.datastores import Datastore, DatastoreSettings
from reconciler.model.plugins import DatastorePlugin
from reconciler.registry import Registry
from reconciler.storage.datastores._hosts import find_foreign_hosts

DATASTORES: Registry[DatastorePlugin] = Registry(
    "datastore", __name__, "DATASTORE", "mlgit.datastores", "type of datastore"
)


def open_datastore(settings: DatastoreSettings) -> Datastore:
    """Open a datastore; nothing is asked of the service before it is used.

    Raises UserError ``datastore-unknown``, ``datastore-broken``, ``datastore-settings`` for a file that names a host
    of others, and ``extra-missing`` with the command that installs what its type needs.
    """
    plugin = DATASTORES.load(settings.type)
    if missing := [module for module in plugin.modules if find_spec(module) is None]:
        message = f"datastore/{settings.name} of the type {settings.type} needs {missing[0]}, which is not installed"
        raise user_error("extra-missing", message, f"run `pip install 'mlgit[{plugin.extra}]'`")
    for _, problem, hint in find_foreign_hosts(plugin, settings.spec, settings.settings):
        raise user_error("datastore-settings", f"datastore/{settings.name}: {problem}", hint)
    datastore: Datastore = DATASTORES.open(settings.type, settings)
    return datastore
