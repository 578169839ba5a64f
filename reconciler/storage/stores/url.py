"""The store `url`: a storage service that fsspec reaches, with a folder of this machine as its cache."""

from __future__ import annotations

from reconciler.model.plugins import StorePlugin
from reconciler.storage.store_url import SECRETS

_TEXT = {"type": "string", "minLength": 1}
STORE = StorePlugin(
    open="reconciler.storage._url_store:open_url_store",
    check="reconciler.storage.store_url:check_store_url",
    settings={
        "type": "object",
        "properties": {
            "url": {
                **_TEXT,
                "description": "Where the store is: s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, abfs://CONTAINER@ACCOUNT..."
                "/PREFIX, sftp://USER@HOST/PATH, webhdfs://USER@HOST/PATH, or a folder.",
            },
            "cache": {
                **_TEXT,
                "description": "The folder of copies on this machine, relative to mlgit.yml; not tracked by Git.",
            },
            "endpoint": {
                **_TEXT,
                "pattern": "^https?://[^/?#\\s@]+[^?#\\s@]*$",
                "errorMessage": "a URL such as https://s3.example.org",
                "description": "The URL of the service in a private cloud, or of an emulator.",
            },
            "account": {**_TEXT, "description": "The storage account of Azure."},
            "region": {**_TEXT, "description": "The region of a bucket."},
            "tenant_id": {**_TEXT, "description": "The tenant of a service principal of Azure."},
            "client_id": {**_TEXT, "description": "The client ID of a service principal of Azure."},
            "key_file": {**_TEXT, "description": "The file of a private key for sftp, relative to mlgit.yml."},
            "known_hosts": {
                **_TEXT,
                "description": "The file with the keys of known hosts for sftp, relative to mlgit.yml.",
                "default": "~/.ssh/known_hosts",
            },
            "jobs": {
                "type": "integer",
                "minimum": 1,
                "maximum": 64,
                "description": "How many files are transferred at once.",
                "default": 8,
            },
        },
        "required": ["url"],
        "additionalProperties": False,
    },
    secrets=SECRETS,
    variables=frozenset(
        {
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"),
            *("AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"),
            *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            *("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_CLIENT_CERTIFICATE_PATH"),
            *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
            *("AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "SSH_AUTH_SOCK"),
        }
    ),
)
