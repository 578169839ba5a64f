"""The object store: files and folders by content, in a folder that `dvc` can read as its own cache.

The only home of dvc_data, which writes and reads the listings of folders and checks what objects hold. What it drops,
the modes of files, is kept beside them under the content's sha256.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError
from dvc_objects.fs.local import localfs

from reconciler.diagnostics import UserError, user_error
from reconciler.storage import manifest as listing
from reconciler.storage import walk
from reconciler.storage.manifest import EXECUTABLE_MODE, REGULAR_MODE, SYMLINK_MODE, ManifestEntry
from reconciler.storage.objects import FOLDER_SUFFIX, ObjectFiles, is_object_key, store_unusable_error


@dataclass(frozen=True, slots=True)
class StoredContent:
    """What is in the store under a key."""

    md5: str
    """The key; ends with ``.dir`` for a folder."""
    sha256: str
    """Of the file; of the canonical listing (path, mode, sha256) for a folder."""
    size: int
    """In bytes, of all files together."""
    file_count: int


class ObjectStore:
    """An object store in a folder, which need not exist before something is put there."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._objects = ObjectFiles(self.root)
        self._dvc = LocalHashFileDB(localfs, str(self._objects.folder))  # type: ignore[no-untyped-call]

    @cached_property
    def id(self) -> str:
        """The store's own name, made by whoever asks first and the same for ever."""
        place = self.root / "id"
        with self._objects.translate_write_errors():
            if not place.exists():
                with self._objects.temporary_path() as draft, suppress(FileExistsError):
                    draft.write_text(uuid.uuid4().hex, encoding="ascii")
                    os.link(draft, place)  # unlike a rename it fails where another was quicker
            return place.read_text(encoding="ascii").strip()

    def put_path(self, path: Path) -> StoredContent:
        """Store a file or a folder that is on disk; raises UserError where it cannot be read or kept.

        Links are followed inside the folder and refused where they leave it. Of a single file no mode is kept.
        """
        with _translate_read_errors(path):
            real = path.resolve(strict=True)
            if real.is_dir():
                return self._put_folder(self._put_disk_files(real))
            if not real.is_file():
                raise user_error("not-a-file", f"{path} is neither a file nor a folder", "name a file or a folder")
            return StoredContent(*self._objects.put_file(real), 1)

    def put_files(self, files: Iterable[tuple[str, int, bytes]]) -> StoredContent:
        """Store a folder from (relative path, Git mode, bytes); a link's bytes are its target."""
        return self._put_folder(self._put_memory_files(files))

    def put_bytes(self, name: str, data: bytes) -> StoredContent:
        """Store a single file; its name is not part of the content, but must be one that a folder can have."""
        listing.check_path(name)
        return StoredContent(*self._objects.put_bytes(data), 1)

    def manifest(self, md5: str, name: str = "", *, sha256: str = "") -> tuple[tuple[str, str, int], ...]:
        """List (relative path, absolute path of the object, Git mode) of a content, sorted; a file is one row.

        dvc's key does not cover modes. `sha256` picks those of exactly that content; without it, a file that was put
        as executable once is executable. The object of a link (mode 120000) holds its target. Raises UserError
        (``content-missing``, ``content-corrupt``) where the listing cannot be read; files are not looked at.
        """
        if not _is_folder_key(md5):
            return ((name or md5, str(self._objects.object_path(md5)), REGULAR_MODE),)
        modes = self._load_modes(md5, sha256)
        rows = sorted(self._load_folder_listing(md5).items())
        return tuple((path, str(self._objects.object_path(key)), modes.get(path, REGULAR_MODE)) for path, key in rows)

    def has_content(self, md5: str) -> bool:
        """Tell whether a content is there; a folder is where all of its files are."""
        if not self._objects.object_path(md5).is_file():
            return False
        try:
            return not _is_folder_key(md5) or all(
                self._objects.object_path(key).is_file() for key in self._load_folder_listing(md5).values()
            )
        except UserError:  # a listing that cannot be read is as good as none
            return False

    def missing_keys(self, md5s: Iterable[str]) -> tuple[str, ...]:
        """Give those of the keys that are not there, each once, in the order asked."""
        return tuple(md5 for md5 in dict.fromkeys(md5s) if not self.has_content(md5))

    def is_intact(self, md5: str) -> bool:
        """Tell whether a content is there and its bytes are what its key says; reads all of it, changes nothing."""
        if not self.has_content(md5):
            return False
        keys = {md5, *(self._load_folder_listing(md5).values() if _is_folder_key(md5) else ())}
        with self._objects.translate_write_errors():
            return all(
                file_md5(str(self._objects.object_path(key)), localfs) == key.removesuffix(FOLDER_SUFFIX)
                for key in keys
            )

    def export(self, md5: str, target: Path, *, sha256: str = "") -> None:
        """Copy a content out to a path that must not exist yet; it appears there whole or not at all."""
        if target.exists() or target.is_symlink():
            raise user_error("target-exists", f"{target} is there already", "choose another place, or remove it first")
        if not self.has_content(md5):
            raise self._missing_error(md5)
        draft = target.with_name(f".{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if _is_folder_key(md5):
                draft.mkdir()
            for relative, source, mode in self.manifest(md5, "", sha256=sha256):
                _export_file(Path(source), draft / relative if _is_folder_key(md5) else draft, mode)
            draft.rename(target)
        except OSError as error:
            raise store_unusable_error(error, target) from error
        finally:
            _remove_path(draft)

    def _put_disk_files(self, root: Path) -> Iterator[ManifestEntry]:
        for relative, mode, file in walk.walk_files(root):
            listing.check_path(relative)
            yield ManifestEntry(relative, mode, *self._objects.put_file(file))

    def _put_memory_files(self, files: Iterable[tuple[str, int, bytes]]) -> Iterator[ManifestEntry]:
        for path, mode, data in files:
            listing.check_path(path)
            listing.check_mode(path, mode)
            if mode == SYMLINK_MODE:
                listing.check_link(path, data)
            yield ManifestEntry(path, mode, *self._objects.put_bytes(data))

    def _put_folder(self, entries: Iterable[ManifestEntry]) -> StoredContent:
        found = tuple(entries)
        listing.check_path_conflicts(entry.path for entry in found)
        tree = Tree()  # type: ignore[no-untyped-call]
        for each in found:
            tree.add(tuple(each.path.split("/")), None, HashInfo("md5", each.md5))
        sha256 = listing.manifest_sha256(found)
        md5 = self._objects.put_bytes(tree.as_bytes(), FOLDER_SUFFIX).md5
        if modes := listing.special_modes(found):
            place = self.root / "modes" / md5 / f"{sha256}.json"
            with self._objects.translate_write_errors(), self._objects.temporary_path() as draft:
                draft.write_text(json.dumps(modes, sort_keys=True), encoding="utf-8")
                place.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(place)
        return StoredContent(md5, sha256, sum(entry.size for entry in found), len(found))

    def _load_folder_listing(self, md5: str) -> dict[str, str]:
        """Read a folder's listing: relative path to key."""
        try:
            tree = Tree.load(self._dvc, HashInfo("md5", md5))
            rows = {"/".join(parts): info.value for parts, _, info in tree}
        except FileNotFoundError as error:
            raise self._missing_error(md5) from error
        except OSError as error:
            raise store_unusable_error(error, self.root) from error
        except (ObjectFormatError, AttributeError, KeyError, TypeError) as error:
            raise self._corrupt_error(md5) from error
        if not all(listing.is_safe_relative_path(path) and is_object_key(key) for path, key in rows.items()):
            raise self._corrupt_error(md5)  # nobody shall write outside of a folder because a listing says so
        listing.check_path_conflicts(rows)
        return rows

    def _load_modes(self, md5: str, sha256: str) -> dict[str, int]:
        places = sorted((self.root / "modes" / md5).glob(f"{sha256 or '*'}.json"))
        try:
            listings = [json.loads(place.read_text(encoding="utf-8")) for place in places]
        except ValueError as error:
            raise self._corrupt_error(md5) from error
        return {path: mode for listing in listings for path, mode in listing.items()}

    def _missing_error(self, md5: str) -> UserError:
        message = f"the content {md5} is not in the store at {self.root}, or not all of it"
        return user_error("content-missing", message, "store it again from where it was made")

    def _corrupt_error(self, md5: str) -> UserError:
        message = f"the content {md5} in the store at {self.root} is damaged"
        return user_error("content-corrupt", message, "remove that object and store the content again")


def _is_folder_key(md5: str) -> bool:
    return md5.endswith(FOLDER_SUFFIX)


@contextmanager
def _translate_read_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the user's files into a failure that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise user_error("path-not-found", f"{error.filename or path} is not there", "check the path") from error
    except (OSError, RuntimeError) as error:  # a circle of links is either, depending on the Python
        place, why = (error.filename or path, error.strerror) if isinstance(error, OSError) else (path, error)
        raise user_error("path-unreadable", f"{place} cannot be read: {why}", "check its permissions") from error


def _export_file(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == SYMLINK_MODE:
        target.symlink_to(os.fsdecode(source.read_bytes()))
        return
    shutil.copyfile(source, target)
    if mode == EXECUTABLE_MODE:
        now = target.stat().st_mode
        target.chmod(now | (now & 0o444) >> 2)  # executable for those who may read it


def _remove_path(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft)
    else:
        draft.unlink(missing_ok=True)
