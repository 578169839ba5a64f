"""Contents that DVC tracks: stored under the keys that they have for DVC, of what the store or the cache of DVC has.

Only what neither has is pulled from the remote of DVC. What the store gets is hashed while it is stored, and compared
with the pointer. ``storage.dvc_repository``, which needs the library of DVC, is imported by name.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from reconciler.abbreviation import abbreviate_text
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.providers import Providers
from reconciler.model.content import Content, UploadFile
from reconciler.model.dvc_pointer import DvcPointer
from reconciler.model.object_store import ObjectStore
from reconciler.planning.content import REGULAR_MODE

_FILE_KEY = re.compile(r"[0-9a-f]{32}")
_DAMAGED_CODES = frozenset({"content-missing", "content-corrupt"})


def store_dvc_content(providers: Providers, pointer: DvcPointer) -> Content:
    """Store what a pointer of DVC names.

    Raises UserError ``dvc-missing``, ``dvc-no-remote``, ``dvc-remote``, ``dvc-repository``, ``dvc-corrupt``.
    """
    if pointer.root is None:
        message = f"{pointer.file}: there is no repository of DVC above it: Git has no .dvc/config"
        raise user_error("dvc-repository", message, "run `dvc init` and commit its files, or commit the data itself")
    folder = Path(providers.state_store.repository.top) / pointer.root
    module = importlib.import_module("reconciler.storage.dvc_repository")
    with module.open_dvc_objects(folder, pointer.target, pointer.remote) as objects:
        try:
            return _store(providers.store, pointer, objects, uses_store=True)
        except UserError as error:  # what the store has is damaged: all is taken from DVC
            if error.diagnostics[0].code not in {*_DAMAGED_CODES, "dvc-corrupt"}:
                raise
            return _store(providers.store, pointer, objects, uses_store=False)


def _store(store: ObjectStore, pointer: DvcPointer, objects: Any, *, uses_store: bool) -> Content:
    """Store the files of a pointer; with ``uses_store`` those that the store has under their keys are not asked for."""
    listing = _read_listing(store, pointer, objects, uses_store=uses_store)
    keys = frozenset(listing.values())
    lacking = store.missing(keys) if uses_store else keys
    store.fetch(keys - lacking)
    objects.fetch(sorted(lacking))

    def open_object(key: str) -> BinaryIO:
        stream: BinaryIO = objects.open(key) if key in lacking else store.open(key)
        return stream

    is_file = list(listing) == [""]
    content = (
        _put_file(store, pointer, open_object, listing[""]) if is_file else _put_folder(store, listing, open_object)
    )
    stored = {"" if is_file else file.path: file.digest for file in store.manifest(content)}
    for path, key in listing.items():
        if stored.get(path) != key:
            name = "/".join(filter(None, (pointer.path, pointer.within, path)))
            message = f"{pointer.target}: DVC has other bytes of {name} than their md5 {key}"
            hint = (
                f"remove that object from its cache and its remote, then `dvc push {pointer.target}` where the data is"
            )
            raise user_error("dvc-corrupt", message, hint)
    return content


def _put_file(store: ObjectStore, pointer: DvcPointer, open_object: Callable[[str], BinaryIO], key: str) -> Content:
    with open_object(key) as stream:
        return store.put_file(pointer.name, stream)


def _put_folder(store: ObjectStore, listing: Mapping[str, str], open_object: Callable[[str], BinaryIO]) -> Content:
    return store.put(UploadFile(path, REGULAR_MODE, partial(open_object, key)) for path, key in listing.items())


def _read_listing(store: ObjectStore, pointer: DvcPointer, objects: Any, *, uses_store: bool) -> dict[str, str]:
    """Return the keys of the files that are meant, by path; the path of a single file is ""."""
    if not pointer.is_folder:
        return {"": pointer.key}
    if uses_store and not store.missing([pointer.key]):
        entries = {file.path: file.digest for file in store.manifest(Content(pointer.key, "", 0, 0))}
    else:
        objects.fetch([pointer.key])
        with objects.open(pointer.key) as file:
            entries = parse_dvc_listing(pointer, file)
    return select_dvc_files(pointer, entries)


def select_dvc_files(pointer: DvcPointer, entries: dict[str, str]) -> dict[str, str]:
    """Return those of the keys in the list of a folder that are meant, by path. Raises UserError ``dvc-missing``."""
    if not pointer.within:
        return entries
    if pointer.within in entries:
        return {"": entries[pointer.within]}
    prefix = f"{pointer.within}/"
    inside = {path.removeprefix(prefix): key for path, key in entries.items() if path.startswith(prefix)}
    if not inside:
        message = f"{pointer.target}: the folder {pointer.path} of DVC has no {pointer.within}"
        raise user_error("dvc-missing", message, "correct the path, or run `dvc add` with the file in it")
    return inside


def parse_dvc_listing(pointer: DvcPointer, file: BinaryIO) -> dict[str, str]:
    """Return what the list of a folder has; the store checks the paths, and the bytes are compared with the keys.

    A key that has another form is refused before anything looks for it: DVC would make a path of it. Raises UserError
    ``dvc-corrupt``.
    """
    try:
        listing = {str(entry["relpath"]): str(entry["md5"]) for entry in json.load(file)}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _listing_error(pointer, "cannot be read") from error
    if wrong := next((key for key in listing.values() if not _FILE_KEY.fullmatch(key)), None):
        raise _listing_error(pointer, f"has '{abbreviate_text(wrong)}' for an md5")
    return listing


def _listing_error(pointer: DvcPointer, problem: str) -> UserError:
    message = f"{pointer.target}: the list {pointer.key} of its files {problem}"
    return user_error("dvc-corrupt", message, f"run `dvc push {pointer.target}` where the data is")
