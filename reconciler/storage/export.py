"""Writes a content of a store to the disk, in streams."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.model.content import Content, ContentFile
from reconciler.model.object_store import ObjectStore
from reconciler.storage.manifest import EXECUTABLE_MODE, MAX_LINK_BYTES, SYMLINK_MODE, check_link
from reconciler.storage.objects import store_unusable_error

_CHUNK_SIZE = 1 << 20


def export_content(store: ObjectStore, content: Content, target: Path) -> None:
    """Copy a content to a path that must not exist; the path appears when the copy is complete."""
    if target.exists() or target.is_symlink():
        raise user_error("target-exists", f"{target} exists already", "choose another path, or remove it first")
    files = store.manifest(content)
    temporary = target.with_name(f".{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if content.is_folder:
            temporary.mkdir()
        for file in files:
            _export_file(store, file, temporary / file.path if content.is_folder else temporary)
        temporary.rename(target)
    except OSError as error:
        raise store_unusable_error(error, target) from error
    finally:
        _remove_path(temporary)


def _export_file(store: ObjectStore, file: ContentFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with store.open(file.digest) as stream:
        if file.mode == SYMLINK_MODE:
            link = stream.read(MAX_LINK_BYTES + 1)
            check_link(file.path, link)
            target.symlink_to(os.fsdecode(link))
            return
        with target.open("xb") as copy:
            shutil.copyfileobj(stream, copy, _CHUNK_SIZE)
    if file.mode == EXECUTABLE_MODE:
        permissions = target.stat().st_mode
        target.chmod(permissions | (permissions & 0o444) >> 2)  # whoever may read it may execute it


def _remove_path(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
