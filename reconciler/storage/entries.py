"""The named entries of a store in a folder: one file each, which appears when it is complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from reconciler.model.object_store import check_entry_name, is_entry_name
from reconciler.regular_files import open_regular_file
from reconciler.storage.objects import ObjectFiles


class NamedEntries:
    """The named entries below a folder; several processes may create the same one at once."""

    def __init__(self, objects: ObjectFiles) -> None:
        self._objects = objects
        self._folder = objects.root / "entries"

    def create(self, name: str, data: bytes) -> bool:
        """Create an entry and return True; False if there is one of that name."""
        return self._objects.publish_new(self._path(name), data)

    def replace(self, name: str, data: bytes) -> None:
        """Write an entry, in place of one that there may be, in one step."""
        self._objects.replace_file(self._path(name), data)

    def read(self, name: str) -> bytes | None:
        """Return the data of an entry; None if there is none."""
        path = self._path(name)
        with self._objects.translate_write_errors(), suppress(FileNotFoundError), open_regular_file(path) as file:
            return file.read()
        return None

    def list(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the entries that start with a prefix, sorted."""
        group, has_group, _ = prefix.partition("/")
        groups = [group] if has_group else _folder_names(self._folder)
        names = (f"{folder}/{name}" for folder in groups for name in _folder_names(self._folder / folder))
        return tuple(sorted(name for name in names if name.startswith(prefix) and is_entry_name(name)))

    def delete(self, name: str) -> None:
        """Delete an entry, if there is one."""
        path = self._path(name)
        with self._objects.translate_write_errors():
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        check_entry_name(name)
        return self._folder / name


def _folder_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  -- names only
    except (FileNotFoundError, NotADirectoryError):
        return []
