"""The type of datastore `azure_blob`: a container of Azure Blob Storage."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.model.support import Honoured
from reconciler.storage.datastores._fields import (
    ACCOUNT_ENDPOINT,
    ANONYMOUS,
    PRINCIPAL,
    SECRETS_OF_PRINCIPAL,
    TEXT,
    make_settings,
    make_support,
)
from reconciler.storage.datastores._hosts import ACCOUNT_HOSTS, LOGIN_HOSTS

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._azure:open_blob",
    settings=make_settings(
        {
            "endpoint": ACCOUNT_ENDPOINT,
            "account_name": {**TEXT, "description": "Name of the storage account, in place of its file's."},
            "container_name": {**TEXT, "description": "Name of the container, in place of its file's."},
            "anonymous": ANONYMOUS,
            **PRINCIPAL,
        }
    ),
    support=make_support(
        *("account_name", "container_name", "endpoint"),
        others=(Honoured("/credentials/account_key"), Honoured("/credentials/sas_token")),
        protocols=("https", "wasbs"),
    ),
    modules=("adlfs",),
    extra="azure",
    secrets=("/credentials/account_key", "/credentials/sas_token", *SECRETS_OF_PRINCIPAL),
    hosts=(*ACCOUNT_HOSTS, *LOGIN_HOSTS),
)
