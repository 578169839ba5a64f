"""The type of datastore `azure_file`: a share of Azure Files, by SMB."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.model.support import Honoured
from reconciler.storage.datastores._fields import TEXT, make_settings, make_support
from reconciler.storage.datastores._hosts import ACCOUNT_HOSTS

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._smb:open_azure_file",
    settings=make_settings(
        {
            "endpoint": {
                "type": "string",
                "pattern": "^smb://[^/:\\s@]+(?::[0-9]+)?/?$",
                "errorMessage": "the address of a server, such as smb://files.example.org:445",
                "description": "Server of the share, in place of Azure's.",
            },
            "account_name": {**TEXT, "description": "Name of the storage account, in place of its file's."},
            "file_share_name": {**TEXT, "description": "Name of the share, in place of its file's."},
            "user": {**TEXT, "description": "Who logs on; if omitted, the storage account."},
        }
    ),
    support=make_support(
        *("account_name", "file_share_name", "endpoint"),
        others=(Honoured("/credentials/account_key"),),
        protocols=("https",),
    ),
    modules=("smbclient",),
    extra="smb",
    secrets=("/credentials/account_key", "/password"),
    hosts=ACCOUNT_HOSTS,
)
