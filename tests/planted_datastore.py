"""A type of datastore that needs a secret, and whose driver says it wherever it can; and a keyring in a file.

The datastore is a folder. It lets nobody in without the secret whose sha256 is in its settings, and what it raises
names the secret that it got: in its message, in the one before it, and in a UserError.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import keyring.backend

from reconciler.diagnostics import user_error
from reconciler.model.plugins import DatastorePlugin
from reconciler.model.support import Honoured, Support
from reconciler.storage.datastores._local import open_local

_POINTER = "/credentials/account_key"


def open_planted(settings):
    return PlantedDatastore(settings)


class PlantedDatastore:
    """A folder behind a secret."""

    def __init__(self, settings) -> None:
        self.settings = settings.settings
        self.secret = settings.read_secret(_POINTER) or ""
        self.folder = Path(settings.folder, self.settings["path"]).resolve()
        self.files = _open_files(settings, self.folder)

    @property
    def location(self):
        return f"planted://{self.secret}@{self.folder.name}"

    def check(self):
        if self.settings.get("fails") == "error":
            try:
                raise ValueError(f"the connection string was Key={self.secret}")  # noqa: TRY301
            except ValueError as error:
                raise RuntimeError(f"cannot connect with {self.secret}") from error
        if self.settings.get("fails") == "refused":
            raise user_error("datastore-denied", f"{self.secret} may not do this", f"allow it to {self.secret}")
        if hashlib.sha256(self.secret.encode()).hexdigest() != self.settings["sha256"]:
            raise user_error("datastore-credential", f"{self.secret} is wrong", "correct it")

    def stat(self, path):
        self.check()
        return self.files.stat(path)

    def list(self, path, *, recursive=True):
        self.check()
        return self.files.list(path, recursive=recursive)

    def open(self, path, identity=None):
        self.check()
        return self.files.open(path, identity)

    def write(self, path, stream):
        self.check()
        return self.files.write(path, stream)

    def delete(self, path):
        self.check()
        self.files.delete(path)


def _open_files(settings, folder):
    return open_local(settings._replace(settings={"path": str(folder)}))


DATASTORE = DatastorePlugin(
    open="planted_datastore:open_planted",
    settings={
        "type": "object",
        "properties": {"path": {"type": "string"}, "sha256": {"type": "string"}, "fails": {"type": "string"}},
        "required": ["path", "sha256"],
        "additionalProperties": False,
    },
    support=Support(honoured={"datastore": (Honoured("/*"),)}),
    secrets=(_POINTER,),
)


class FileKeyring(keyring.backend.KeyringBackend):
    """A keyring in the JSON file that PLANTED_KEYRING names."""

    priority = 1

    def get_password(self, service, username):
        return json.loads(Path(os.environ["PLANTED_KEYRING"]).read_text()).get(f"{service}/{username}")

    def set_password(self, service, username, password):
        raise NotImplementedError

    def delete_password(self, service, username):
        raise NotImplementedError
