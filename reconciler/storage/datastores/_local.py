"""Opens datastores of the type `local`."""

from __future__ import annotations

import os

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._errors import Place
from reconciler.storage.datastores._folders import FolderDatastore
from reconciler.storage.datastores._fsspec import NO_CACHE


class LocalDatastore(FolderDatastore):
    """The files of a folder of this machine."""

    def _full_path(self, path: str) -> str:
        full_path = super()._full_path(path)
        real = os.path.realpath(full_path)
        if real != self._root and not real.startswith(f"{self._root}/"):
            message = f"'{path}' in {self.location} is a link to '{real}', which is outside of the datastore"
            raise user_error("link-outside", message, "declare a datastore for that folder")
        return full_path

    def _replace(self, filesystem: AbstractFileSystem, old: str, new: str) -> None:  # noqa: ARG002
        os.replace(old, new)  # noqa: PTH105 - as texts


def open_local(settings: DatastoreSettings) -> LocalDatastore:
    """Return the datastore in the folder that its settings name."""
    root = os.path.realpath(os.path.join(settings.folder, str(settings.settings["path"])))  # noqa: PTH118 - as a text
    return LocalDatastore(Place(settings.name, f"file://{root}"), lambda: LocalFileSystem(**NO_CACHE), root)
