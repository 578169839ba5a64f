"""The type of datastore `s3`: a bucket of S3, or of what speaks its protocol."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.storage.datastores._fields import ANONYMOUS, TEXT, URL, make_settings

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._s3:open_s3",
    settings=make_settings(
        {
            "bucket": {**TEXT, "pattern": "^[^/\\s]+$", "description": "Name of the bucket."},
            "path": {**TEXT, "description": "A folder of the bucket, which is the root; if omitted, all of it."},
            "endpoint": {**URL, "description": "URL of the service; if omitted, that of AWS."},
            "region": {**TEXT, "description": "Region of the bucket; if omitted, AWS_DEFAULT_REGION, or us-east-1."},
            "anonymous": ANONYMOUS,
        },
        "bucket",
    ),
    modules=("s3fs",),
    extra="s3",
    secrets=("/access_key_id", "/secret_access_key", "/session_token"),
    variables=frozenset(("AWS_DEFAULT_REGION",)),
)
