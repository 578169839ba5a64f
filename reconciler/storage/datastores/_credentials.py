"""The credentials of a datastore: the secrets that are bound to its fields, and how messages name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._errors import Place


class Credentials(NamedTuple):
    """Values of secrets by the last name of their JSON pointer, and what messages call them."""

    values: Mapping[str, str]
    description: str

    def place(self, name: str, location: str) -> Place:
        """Return the place of a datastore that is opened with these credentials."""
        return Place(name, location, self.description, tuple(self.values.values()))


def read_credentials(settings: DatastoreSettings, labels: Mapping[str, str], otherwise: str) -> Credentials:
    """Read the secrets that are bound to fields, each with what it is called, such as ``account key``.

    ``otherwise`` describes what is used if none is bound. Raises UserError ``secret-missing``.
    """
    values: dict[str, str] = {}
    names: list[str] = []
    for pointer, label in labels.items():
        if value := settings.read_secret(pointer):
            values[pointer.rpartition("/")[2]] = value
            names.append(f"the {label} of the secret {settings.secret_name(pointer)}")
    return Credentials(values, " and ".join(names) or otherwise)


def required(settings: DatastoreSettings, values: Mapping[str, Any], key: str) -> str:
    """Return a value of a datastore's file or settings that it cannot do without.

    Raises UserError ``datastore-settings``.
    """
    if not (value := values.get(key)):
        message = f"datastore/{settings.name} of the type {settings.type} has no {key}"
        hint = f"add `{key}:` to its file, or to datastores: {settings.name}: in mlgit.yml"
        raise user_error("datastore-settings", message, hint)
    return str(value)
