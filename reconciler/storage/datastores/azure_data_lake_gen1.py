"""The type of datastore `azure_data_lake_gen1`, which has ended: what WebHDFS serves in its place."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.model.support import Ignored
from reconciler.storage.datastores._fields import TEXT, URL, make_settings, make_support

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._webhdfs:open_data_lake_gen1",
    settings=make_settings(
        {
            "endpoint": {**URL, "description": "URL of the name node or of HttpFS, without /webhdfs."},
            "path": {**TEXT, "description": "The folder in HDFS; if omitted, its root."},
            "user": {**TEXT, "description": "Who asks."},
        }
    ),
    support=make_support(
        others=(
            Ignored("/store_name", "the service has ended; mlgit.yml names the endpoint", is_usual=True),
            Ignored("/credentials", "the service has ended; mlgit.yml names who asks", is_usual=True),
        ),
    ),
    secrets=("/password", "/delegation_token"),
)
