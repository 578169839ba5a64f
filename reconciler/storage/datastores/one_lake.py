"""The type of datastore `one_lake`: a lakehouse of Microsoft Fabric."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.model.support import Honoured
from reconciler.storage.datastores._fields import (
    ACCOUNT_ENDPOINT,
    HONOURED_OF_PRINCIPAL,
    PRINCIPAL,
    make_settings,
    make_support,
)
from reconciler.storage.datastores._hosts import FABRIC_HOSTS, LOGIN_HOSTS

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._azure:open_one_lake",
    settings=make_settings({"endpoint": ACCOUNT_ENDPOINT, **PRINCIPAL}),
    support=make_support(
        *("one_lake_workspace_name", "endpoint", "artifact"),
        others=tuple(entry for entry in HONOURED_OF_PRINCIPAL if entry != Honoured("/credentials/certificate")),
    ),
    modules=("adlfs",),
    extra="azure",
    secrets=("/credentials/client_secret",),
    hosts=(*FABRIC_HOSTS, *LOGIN_HOSTS),
)
