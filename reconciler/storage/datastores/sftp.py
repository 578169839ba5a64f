"""The type of datastore `sftp`: a folder of a server of ssh."""

from reconciler.model.plugins import DatastorePlugin
from reconciler.storage.datastores._fields import PORT, TEXT, make_settings

DATASTORE = DatastorePlugin(
    open="reconciler.storage.datastores._sftp:open_sftp",
    settings=make_settings(
        {
            "host": {**TEXT, "pattern": "^[^/\\s@]+$", "description": "The server."},
            "port": {**PORT, "description": "Its port; if omitted, 22."},
            "user": {**TEXT, "description": "Who logs on; if omitted, who runs mlgit."},
            "path": {**TEXT, "description": "The folder; if omitted, the one that the server starts in."},
            "known_hosts": {
                **TEXT,
                "description": "File with the keys of hosts, relative to mlgit.yml; if omitted, ~/.ssh/known_hosts.",
            },
        },
        "host",
    ),
    modules=("sshfs",),
    extra="sftp",
    secrets=("/private_key", "/passphrase", "/password"),
)
