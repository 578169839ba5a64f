"""The object store: files and folders by content, in a folder that `dvc` can read as its own cache.

The only module that imports dvc_data, which reads and writes the listings of folders and computes digests of objects.
The modes of files, which dvc does not record, are kept beside them under the sha256 of the content.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError
from dvc_objects.fs.local import localfs

from reconciler.diagnostics import UserError, user_error
from reconciler.storage.content import Damage, StoredContent, StoredFile
from reconciler.storage.manifest import (
    EXECUTABLE_MODE,
    REGULAR_MODE,
    SYMLINK_MODE,
    ManifestEntry,
    check_link,
    check_mode,
    check_path,
    check_path_conflicts,
    is_safe_relative_path,
    manifest_sha256,
    special_modes,
)
from reconciler.storage.objects import FOLDER_SUFFIX, ObjectFiles, is_object_key, store_unusable_error
from reconciler.storage.stamps import Stamp, stamp_of
from reconciler.storage.store_id import STORE_ID_FILE, require_store_id
from reconciler.storage.walk import walk_files


class ObjectStore:
    """An object store in a folder, which is created when something is stored."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._objects = ObjectFiles(self.root)
        self._dvc = LocalHashFileDB(localfs, str(self._objects.folder))  # type: ignore[no-untyped-call]

    @cached_property
    def id(self) -> str:
        """The id of the store; created by the first process that reads it, and never changed."""
        path = self.root / STORE_ID_FILE
        with self._objects.translate_write_errors():
            if not path.exists():
                with self._objects.temporary_path() as temporary, suppress(FileExistsError):
                    temporary.write_text(uuid.uuid4().hex, encoding="ascii")
                    os.link(temporary, path)  # unlike a rename, this fails if another process was faster
        return require_store_id(self.root)

    def put_path(self, path: Path) -> StoredContent:
        """Store a file or a folder on disk; raises UserError if it cannot be read or stored.

        Links are followed inside the folder; one that leads out of it is an error. No mode is kept of a single file.
        """
        with _translate_read_errors(path):
            real_path = path.resolve(strict=True)
            if real_path.is_dir():
                return self._put_folder(self._put_disk_files(real_path))
            if not real_path.is_file():
                raise user_error("not-a-file", f"{path} is neither a file nor a folder", "name a file or a folder")
            digests = self._objects.put_file(real_path)
            self._objects.stamps.flush()
            return StoredContent(*digests, 1)

    def put_files(self, files: Iterable[tuple[str, int, bytes]]) -> StoredContent:
        """Store a folder from (relative path, Git mode, bytes); the bytes of a link are its target."""
        return self._put_folder(self._put_memory_files(files))

    def put_bytes(self, name: str, data: bytes) -> StoredContent:
        """Store a single file; its name is checked, but is not part of the content."""
        check_path(name)
        digests = self._objects.put_bytes(data)
        self._objects.stamps.flush()
        return StoredContent(*digests, 1)

    def manifest(self, md5: str, name: str = "", *, sha256: str = "") -> tuple[StoredFile, ...]:
        """Return the files of a content, sorted by path; a single file has `name` as its path.

        The key of dvc does not cover modes: `sha256` selects those of exactly that content; without it, a file that
        was ever stored as executable is executable. The object of a link (mode 120000) holds its target. Raises
        UserError (``content-missing``, ``content-corrupt``) if the listing cannot be read; files are not checked.
        """
        if not _is_folder_key(md5):
            return (StoredFile(name or md5, self._objects.object_path(md5), REGULAR_MODE, md5),)
        modes = self._load_modes(md5, sha256)
        return tuple(
            StoredFile(path, self._objects.object_path(key), modes.get(path, REGULAR_MODE), key)
            for path, key in sorted(self._load_folder_listing(md5).items())
        )

    def has_content(self, md5: str) -> bool:
        """Return True if a content is in the store; of a folder, with all of its files."""
        if not self._objects.object_path(md5).is_file():
            return False
        try:
            return not _is_folder_key(md5) or all(
                self._objects.object_path(key).is_file() for key in self._load_folder_listing(md5).values()
            )
        except UserError:  # a listing that cannot be read counts as missing
            return False

    def is_intact(self, md5: str) -> bool:
        """Return True if a content is in the store and its bytes match its key; reads all of it."""
        if not self.has_content(md5):
            return False
        keys = {md5, *(self._load_folder_listing(md5).values() if _is_folder_key(md5) else ())}
        with self._objects.translate_write_errors():
            return all(
                file_md5(str(self._objects.object_path(key)), localfs) == key.removesuffix(FOLDER_SUFFIX)
                for key in keys
            )

    def find_damage(self, content: StoredContent) -> Damage | None:
        """Return the first file of a content that is missing or not as it was stored; None if the content is whole.

        A file that has the stamp of when its bytes were last known to be right is not read.
        """
        if self._objects.find_damaged([content.md5]):
            return Damage(content.name, self._objects.object_path(content.md5))
        if not _is_folder_key(content.md5):
            return None
        listing = self._load_folder_listing(content.md5)
        damaged = self._objects.find_damaged(listing.values())
        for path, key in listing.items() if damaged else ():
            if key in damaged:
                return Damage(path, self._objects.object_path(key))
        is_whole = not content.sha256 or self._has_modes(content.md5, content.sha256, listing)
        return None if is_whole else Damage("", self._modes_path(content.md5, content.sha256))

    def verified_stamps(self, md5s: Iterable[str]) -> Mapping[str, Stamp]:
        """Return the stamps of objects from when their bytes were last known to be right."""
        return self._objects.stamps.read(md5s)

    def export(self, md5: str, target: Path, *, sha256: str = "") -> None:
        """Copy a content to a path that must not exist; the path appears when the copy is complete."""
        if target.exists() or target.is_symlink():
            raise user_error("target-exists", f"{target} exists already", "choose another path, or remove it first")
        if not self.has_content(md5):
            raise self._missing_error(md5)
        temporary = target.with_name(f".{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if _is_folder_key(md5):
                temporary.mkdir()
            for file in self.manifest(md5, sha256=sha256):
                target_path = temporary / file.path if _is_folder_key(md5) else temporary
                _export_file(file.object_path, target_path, file.mode)
            temporary.rename(target)
        except OSError as error:
            raise store_unusable_error(error, target) from error
        finally:
            _remove_path(temporary)

    def _put_disk_files(self, root: Path) -> Iterator[ManifestEntry]:
        for path, mode, file in walk_files(root):
            check_path(path)
            yield ManifestEntry(path, mode, *self._objects.put_file(file))

    def _put_memory_files(self, files: Iterable[tuple[str, int, bytes]]) -> Iterator[ManifestEntry]:
        for path, mode, data in files:
            check_path(path)
            check_mode(path, mode)
            if mode == SYMLINK_MODE:
                check_link(path, data)
            yield ManifestEntry(path, mode, *self._objects.put_bytes(data))

    def _put_folder(self, files: Iterable[ManifestEntry]) -> StoredContent:
        entries = tuple(files)
        check_path_conflicts(entry.path for entry in entries)
        tree = Tree()  # type: ignore[no-untyped-call]
        for entry in entries:
            tree.add(tuple(entry.path.split("/")), None, HashInfo("md5", entry.md5))
        sha256 = manifest_sha256(entries)
        md5 = self._objects.put_bytes(tree.as_bytes(), FOLDER_SUFFIX).md5
        self._write_modes(md5, sha256, special_modes(entries))
        self._objects.stamps.flush()
        return StoredContent(md5, sha256, sum(entry.size for entry in entries), len(entries))

    def _write_modes(self, md5: str, sha256: str, modes: Mapping[str, int]) -> None:
        """Store the modes of a folder beside its listing; no file if all of its files are regular."""
        path = self._modes_path(md5, sha256)
        with self._objects.translate_write_errors(), self._objects.temporary_path() as temporary:
            if modes:
                temporary.write_text(json.dumps(modes, sort_keys=True), encoding="utf-8")
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(path)
            else:
                path.unlink(missing_ok=True)
        self._objects.stamps.record({f"{md5}/{sha256}": stamp_of(path)})

    def _modes_path(self, md5: str, sha256: str) -> Path:
        return self.root / "modes" / md5 / f"{sha256}.json"

    def _has_modes(self, md5: str, sha256: str, listing: Mapping[str, str]) -> bool:
        """Return True if the stored modes of a folder are those of the content; the files must be intact."""
        stamp = stamp_of(self._modes_path(md5, sha256))
        if self._objects.stamps.read([f"{md5}/{sha256}"]).get(f"{md5}/{sha256}") == stamp:
            return True
        try:
            modes = self._load_modes(md5, sha256)
        except UserError:
            return False
        entries = (
            ManifestEntry(path, modes.get(path, REGULAR_MODE), key, _file_sha256(self._objects.object_path(key)), 0)
            for path, key in listing.items()
        )
        if manifest_sha256(entries) != sha256:
            return False
        self._objects.stamps.record({f"{md5}/{sha256}": stamp})
        self._objects.stamps.flush()
        return True

    def _load_folder_listing(self, md5: str) -> dict[str, str]:
        """Return the listing of a folder: relative path to key."""
        try:
            tree = Tree.load(self._dvc, HashInfo("md5", md5))
            listing = {"/".join(parts): info.value for parts, _, info in tree}
        except FileNotFoundError as error:
            raise self._missing_error(md5) from error
        except OSError as error:
            raise store_unusable_error(error, self.root) from error
        except (ObjectFormatError, AttributeError, KeyError, TypeError) as error:
            raise self._corrupt_error(md5) from error
        if not all(is_safe_relative_path(path) and is_object_key(key) for path, key in listing.items()):
            raise self._corrupt_error(md5)  # a listing must never make anyone write outside of a folder
        check_path_conflicts(listing)
        return listing

    def _load_modes(self, md5: str, sha256: str) -> dict[str, int]:
        paths = sorted((self.root / "modes" / md5).glob(f"{sha256 or '*'}.json"))
        try:
            documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
            return {path: mode for document in documents for path, mode in document.items()}
        except (ValueError, OSError, RecursionError, AttributeError) as error:  # AttributeError: other JSON
            raise self._corrupt_error(md5) from error

    def _missing_error(self, md5: str) -> UserError:
        message = f"content {md5} is missing or incomplete in the store at {self.root}"
        return user_error("content-missing", message, "store it again from its source")

    def _corrupt_error(self, md5: str) -> UserError:
        message = f"content {md5} in the store at {self.root} is corrupt"
        return user_error("content-corrupt", message, "remove that object and store the content again")


def _is_folder_key(md5: str) -> bool:
    return md5.endswith(FOLDER_SUFFIX)


@contextmanager
def _translate_read_errors(path: Path) -> Iterator[None]:
    """Raise a UserError that names the file for an error in reading the user's files."""
    try:
        yield
    except FileNotFoundError as error:
        raise user_error("path-not-found", f"{error.filename or path} does not exist", "check the path") from error
    except (OSError, RuntimeError) as error:  # a cycle of links is one or the other, depending on the Python version
        file, reason = (error.filename or path, error.strerror) if isinstance(error, OSError) else (path, error)
        raise user_error("path-unreadable", f"{file} cannot be read: {reason}", "check its permissions") from error


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _export_file(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == SYMLINK_MODE:
        target.symlink_to(os.fsdecode(source.read_bytes()))
        return
    shutil.copyfile(source, target)
    if mode == EXECUTABLE_MODE:
        permissions = target.stat().st_mode
        target.chmod(permissions | (permissions & 0o444) >> 2)  # whoever may read it may execute it


def _remove_path(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
