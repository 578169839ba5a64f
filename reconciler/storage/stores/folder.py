"""The store `folder`: a folder of this machine, or of a disk that several machines share."""

from __future__ import annotations

from reconciler.model.plugins import StorePlugin

STORE = StorePlugin(
    open="reconciler.storage.folder_store:open_folder_store",
    check="reconciler.storage.store_url:check_folder",
    settings={
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The folder of the store, relative to mlgit.yml; it is not tracked by Git.",
            },
            "url": {"type": "string", "minLength": 1, "description": "The folder of the store, in place of path."},
        },
        "additionalProperties": False,
    },
)
