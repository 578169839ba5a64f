"""The ``store:`` of mlgit.yml: its type, its folder, and the settings of its type."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.config.targets import document_for_target, target_names
from reconciler.format.document import Document
from reconciler.format.pointers import find_value
from reconciler.model import Json

DEFAULT_STORE_PATH = ".mlgit/store"
FOLDER_STORE = "folder"  # the type of a store that is a folder, which is the default
URL_STORE = "url"  # the type of a store that is on a storage service
_FILE_SCHEME = "file://"
COMMON_STORE_SETTINGS = ("type", "host")


def store_paths(document: Document) -> tuple[str, ...]:
    """Return the store folders of all targets; settings that are invalid count as unset."""
    if not isinstance(document.data, dict):
        return (DEFAULT_STORE_PATH,)
    stores = (find_value(document_for_target(document, name).data, ["store"]) for name in target_names(document))
    return tuple(dict.fromkeys(map(store_folder, stores)))


def store_type(store: Mapping[str, Json]) -> str:
    """Return the type of a store: the one that is written, else that of its URL, else a folder."""
    default = URL_STORE if _is_service_url(store.get("url")) else FOLDER_STORE
    return str(store.get("type", default))


def store_folder(store: Json) -> str:
    """Return the folder of a store or of its cache; of another type, and of invalid settings, the default folder."""
    if not isinstance(store, dict):
        return DEFAULT_STORE_PATH
    folders = {
        FOLDER_STORE: (store.get("path"), str(store.get("url") or "").removeprefix(_FILE_SCHEME)),
        URL_STORE: (store.get("cache"),),
    }
    paths = (path for path in folders.get(store_type(store), ()) if path and isinstance(path, str))
    return next(paths, DEFAULT_STORE_PATH)


def store_settings(store: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the settings of a store's type."""
    if store_type(store) == FOLDER_STORE:
        return {"path": store_folder(store)}
    settings = {name: value for name, value in store.items() if name not in COMMON_STORE_SETTINGS}
    return {**settings, "cache": store_folder(store)} if store_type(store) == URL_STORE else settings


def _is_service_url(url: Json) -> bool:
    return isinstance(url, str) and "://" in url and not url.startswith(_FILE_SCHEME)
