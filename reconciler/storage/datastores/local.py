"""The type of datastore `local`: a folder of this machine, such as a mounted share."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.storage.datastores._fields import TEXT, make_settings

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._local:open_local",
    settings=make_settings({"path": {**TEXT, "description": "The folder, relative to mlgit.yml."}}, "path"),
)
