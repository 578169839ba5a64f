"""The type of datastore `azure_data_lake_gen2`: a file system of Azure Data Lake Storage Gen2."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.storage.datastores._fields import (
    ACCOUNT_ENDPOINT,
    ANONYMOUS,
    HONOURED_OF_PRINCIPAL,
    IGNORED_OF_PRINCIPAL,
    PRINCIPAL,
    SECRETS_OF_PRINCIPAL,
    TEXT,
    make_settings,
    make_support,
)
from reconciler.storage.datastores._hosts import ACCOUNT_HOSTS, LOGIN_HOSTS

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._azure:open_data_lake_gen2",
    settings=make_settings(
        {
            "endpoint": {**ACCOUNT_ENDPOINT, "description": "URL of the account's blobs, in place of Azure's."},
            "account_name": {**TEXT, "description": "Name of the storage account, in place of its file's."},
            "filesystem": {**TEXT, "description": "Name of the file system, in place of its file's."},
            "anonymous": ANONYMOUS,
            **PRINCIPAL,
        }
    ),
    support=make_support(
        *("account_name", "filesystem", "endpoint"),
        others=(*HONOURED_OF_PRINCIPAL, IGNORED_OF_PRINCIPAL),
        protocols=("https", "abfss"),
    ),
    modules=("adlfs",),
    extra="azure",
    secrets=(*SECRETS_OF_PRINCIPAL, "/credentials/account_key", "/credentials/sas_token"),
    hosts=(*ACCOUNT_HOSTS, *LOGIN_HOSTS),
)
