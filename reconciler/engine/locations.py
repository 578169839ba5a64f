"""Where remote data is, and what its service says of it; nothing of the data is read.

It is asked when a version is registered, when drift is looked for, and before a run gets the data.
``storage.web_file``, which needs a library for http, is loaded by name where it is used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reconciler.config.config import Config
from reconciler.diagnostics import UserError, user_error
from reconciler.format.mirrors import find_mirror, is_web_url
from reconciler.format.path_patterns import matches_parts
from reconciler.model.datastores import (
    Datastore,
    DatastoreEntry,
    Identity,
    Location,
    OpenDatastore,
    folder_identity,
    is_same_identity,
)
from reconciler.planning.data_places import DataPlace, Datastores
from reconciler.secrets.urls import mask_url_secrets
from reconciler.storage.web_error import WebError

if TYPE_CHECKING:  # what a plan does without
    from types import ModuleType

    from reconciler.engine.action_context import ActionContext

_TIMEOUT_VARIABLE, _TIMEOUT_SECONDS = "MLGIT_NETWORK_TIMEOUT", 60.0


def datastores_of(context: ActionContext) -> tuple[Datastores, OpenDatastore]:
    """Return the datastores of the workspace as they are live, and what opens one."""
    config, current = context.providers.config, context.state.current
    datastores = Datastores(config, current=current)
    return datastores, context.providers.make_opener(datastores.live_specs())


def locate(uri: str, datastores: Datastores, open_datastore: OpenDatastore) -> Location | None:
    """Return where data is and what its service says of it; None for a URI that mlgit cannot read.

    Raises UserError of the datastore, ``datastore-path-missing`` if nothing is there, and WebError of a URL.
    """
    source = find_mirror(datastores.config.mirrors, uri).url or uri
    place = datastores.find_place(source)
    if place is None:
        return _locate_web_file(uri, source, datastores.config) if is_web_url(source) else None
    datastore = open_datastore(place.datastore)
    identity, is_folder = stat_place(datastore, place)
    return Location(mask_url_secrets(uri), place.datastore, place.path, identity, is_folder, datastore.location)


def stat_place(datastore: Datastore, place: DataPlace) -> tuple[Identity, bool]:
    """Return the identity of a file, or of the files of a folder or of wildcards; second, if it is not one file."""
    if not place.has_wildcard:
        entry = datastore.stat(place.path)
        if not entry.is_folder:
            return entry.identity, False
    return folder_identity(list_place(datastore, place), place.folder), True


def list_place(datastore: Datastore, place: DataPlace) -> tuple[DatastoreEntry, ...]:
    """Return the files of a folder or of wildcards, sorted; raises ``datastore-path-missing`` if there are none."""
    files = tuple(_matching_files(datastore, place))
    if not files:
        message = f"{datastore.location}/{place.path} {'matches' if place.has_wildcard else 'has'} no file"
        raise user_error("datastore-path-missing", message, "correct the path")
    return files


def _matching_files(datastore: Datastore, place: DataPlace) -> Iterator[DatastoreEntry]:
    pattern = place.path.split("/")
    for entry in datastore.list(place.folder):
        if not entry.is_folder and (not place.has_wildcard or matches_parts(entry.path.split("/"), pattern)):
            yield entry


def _locate_web_file(uri: str, source: str, config: Config) -> Location:
    identity = web_files().stat_web_file(source, timeout_seconds(), allows_local=allows_local(uri, source, config))
    return Location(mask_url_secrets(uri), "", "", identity)


def web_files() -> ModuleType:
    """Return the module that reads files behind URLs."""
    return importlib.import_module("reconciler.storage.web_file")


def allows_local(uri: str, source: str, config: Config) -> bool:
    """Return True if mlgit.yml allows that a URL is of this machine: by a mirror, or by the name of its host."""
    return source != uri or (urlsplit(source).hostname or "") in config.local_hosts


def timeout_seconds() -> float:
    """Return after how long without a byte a server counts as gone, as the environment sets it."""
    text = os.environ.get(_TIMEOUT_VARIABLE, "")
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    return seconds or _TIMEOUT_SECONDS


def not_a_file(uri: str) -> tuple[str, str]:
    """Return the message and the hint for a folder that is declared as a file."""
    return f"{uri} is a folder, and it is declared as one file", "name a file, or write type: uri_folder"


def is_gone(error: UserError | WebError) -> bool:
    """Return True if an error says that nothing is at a place, and not that it could not be asked."""
    if isinstance(error, WebError):
        return error.is_missing
    return error.diagnostics[0].code == "datastore-path-missing"


def describe_error(error: UserError | WebError) -> str:
    """Return what went wrong, without the secrets of a URL."""
    return mask_url_secrets(str(error) if isinstance(error, WebError) else error.diagnostics[0].message)


def describe_change(what: str, pinned: Identity, now: Identity) -> str:
    """Return in words that data has changed, with both identities."""
    return f"{what} has changed since it was registered: it was {pinned}, and is now {now}"


def changed_error(version: str, uri: str, pinned: Location, now: Location, then: str = "") -> UserError:
    """Return the error of a version whose data is not what was registered; ``then`` is what follows a new version."""
    what, address = f"{version} ({mask_url_secrets(uri)})", version.partition("@")[0]
    hint = f"`mlgit apply --replace {address}` registers what is there now as a new version{then}; or put it back"
    return user_error("input-changed", describe_change(what, pinned.identity, now.identity), hint)


def is_changed(pinned: Location, now: Location) -> bool:
    """Return True if what a version was registered with is not what is there now."""
    return pinned.is_folder != now.is_folder or not is_same_identity(pinned.identity, now.identity)


def to_place(location: Location) -> DataPlace:
    """Return the place of a location in its datastore."""
    return DataPlace(location.datastore, location.path)


def location_key(location: Location) -> list[Any]:
    """Return what the bytes of a location follow from: its datastore and where that is, its path, and its identity."""
    identity = location.identity
    decisive = [identity.etag or identity.version or identity.modified, identity.size]
    return [location.datastore, location.root, location.path, location.is_folder, *decisive]
