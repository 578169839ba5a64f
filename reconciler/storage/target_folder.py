"""Writes files into a folder of the user: complete and checked or not at all, over nothing else, and never outside.

The files are written to a temporary folder on the same disk first, then renamed into their places. If the folder is
new this is one rename; else one for each file, so that each file is complete at any moment. What was cut can go on: see
`storage.partial_download`.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.abbreviation import join_some
from reconciler.diagnostics import user_error
from reconciler.regular_files import naming_errors, open_regular_file
from reconciler.storage.digests import Digests, compute_digests
from reconciler.storage.manifest import (
    EXECUTABLE_MODE,
    MAX_LINK_BYTES,
    SYMLINK_MODE,
    check_link,
    check_path,
    check_path_conflicts,
)
from reconciler.storage.partial_download import PartialDownload
from reconciler.storage.transfers import TransferPool

OnProgress = Callable[[int, int], object]
"""Is called with the number of files and of bytes that are done, after each chunk."""
Verify = Callable[[Mapping[str, Digests]], object]
"""Raises UserError if the digests of the files, by path, are not those of what was asked for."""

_GIT_FOLDER = ".git"


class NewFile(NamedTuple):
    """A file to write: path within the folder, mode as Git has it, md5 of its bytes, and how they are read.

    The md5 is "" if it is not known, and then not checked. The bytes of a link are its target. ``owner`` is whose file
    it is, and ``hint`` what to do if it is damaged. ``source`` names the bytes that it is read from, such as an ETag,
    if the file need not be read again after a cut.
    """

    path: str
    mode: int
    md5: str
    open: Callable[[], BinaryIO]
    owner: str = ""
    hint: str = ""
    source: str = ""


class _Counter:
    """Counts what is done in all threads, and reports it."""

    def __init__(self, report: OnProgress) -> None:
        self._report = report
        self._files = self._bytes = 0
        self._mutex = threading.Lock()

    def add_chunk(self, chunk: bytes) -> None:
        with self._mutex:
            self._bytes += len(chunk)
            self._report(self._files, self._bytes)

    def add_file(self, size: int = 0) -> None:
        with self._mutex:
            self._files, self._bytes = self._files + 1, self._bytes + size
            self._report(self._files, self._bytes)


class _Writer(NamedTuple):
    """What writes each file: the temporary folder, and what counts it."""

    partial: PartialDownload
    counter: _Counter

    def write(self, file: NewFile) -> Digests:
        """Write a file and return its digests, unless a download that was cut has written it."""
        if digests := self.partial.find(file.path, file.md5) if file.source else None:
            self.counter.add_file(digests.size)
            return digests
        digests = _write_file(file, self.partial.folder, self.counter)
        self.partial.add(file.path, file.source, digests.md5)
        self.counter.add_file()
        return digests


def _ignore_progress(_files: int, _bytes: int) -> None:
    """Receive progress and do nothing."""


def write_files(  # noqa: PLR0913 - the options of a download
    files: Sequence[NewFile],
    target: Path,
    *,
    folders: Sequence[str] = (),
    overwrite: bool = False,
    verify: Verify = len,
    on_progress: OnProgress = _ignore_progress,
    jobs: int = 1,
    list_file: Path | None = None,
) -> int:
    """Write files, and folders that may be empty, into a target folder; return how many files it did not have already.

    Other files of the target stay. ``jobs`` files are read at once. Raises UserError ``target-exists`` before anything
    is written if it has other files at these paths, unless ``overwrite``, and always for what is no file;
    ``content-corrupt`` for other bytes than those of the digest; what ``verify`` raises; and OSError. Then nothing of
    it is left, unless there is a ``list_file`` for the files that are whole: the next call with it goes on.
    """
    for path in (*folders, *(file.path for file in files)):
        check_path(path)
    check_path_conflicts(file.path for file in files)
    _check_outside_git_folders(files, target)
    counter, is_new = _Counter(on_progress), not os.path.lexists(target)
    partial = PartialDownload(target, list_file, is_new=is_new)
    files = [file._replace(md5=file.md5 or partial.known_md5(file.path, file.source)) for file in files]
    equal = {} if is_new else _find_equal_files(files, target, counter, overwrite=overwrite)
    new_files = [file for file in files if file.path not in equal]
    with partial.open_folder() as temporary:
        digests = TransferPool(jobs).map(_Writer(partial, counter).write, new_files)
        verify(equal | {file.path: result for file, result in zip(new_files, digests, strict=True)})
        for folder in folders:
            _make_folders((temporary if is_new else target), folder)
        if is_new:
            temporary.rename(target)
        else:
            _move_files(new_files, temporary, target)
    return len(new_files)


def _check_outside_git_folders(files: Sequence[NewFile], target: Path) -> None:
    """Raise UserError ``target-exists`` for a file of Git's own folder: Git runs what it has for hooks."""
    for path in (target, *(target / file.path for file in files)):
        folders = [folder for folder in (path, *path.parents) if folder.name.lower() == _GIT_FOLDER]
        folder = next((folder for folder in folders if os.path.lexists(folder)), None)
        if folder is not None:
            message = f"{path} would be in {folder}, Git's own folder"
            raise user_error("target-exists", message, "name another folder")


def _find_equal_files(
    files: Sequence[NewFile], target: Path, counter: _Counter, *, overwrite: bool
) -> dict[str, Digests]:
    """Return the digests of the files that the target has already; raise UserError if it has something else."""
    if not target.is_dir():
        raise user_error("target-exists", f"{target} is not a folder", "name another folder, or remove it first")
    equal: dict[str, Digests] = {}
    different = []
    for file in files:
        mode = _existing_mode(file.path, target)
        digests = _read_existing_file(file, target / file.path, mode) if mode else None
        if digests is not None and digests.md5 == file.md5:
            equal[file.path] = digests
            counter.add_file()
        elif mode:
            different.append(file.path)
    if different and not overwrite:
        message = f"{target} has other files of the same names: {join_some(different)}"
        raise user_error("target-exists", message, "use --force to replace them, or name another folder")
    return equal


def _existing_mode(path: str, target: Path) -> int:
    """Return the mode of what is at a path, links not followed, 0 if there is nothing.

    Raises UserError ``target-exists`` if it is a folder, or if something else is in the place of one of its folders.
    """
    mode = stat.S_IFDIR
    existing = target
    for name in path.split("/"):
        if not stat.S_ISDIR(mode):
            message = f"{existing} is not a folder, and {path} is to be written into it"
            raise user_error(
                "target-exists", message, "remove it first, or name another folder; links are not followed"
            )
        existing /= name
        try:
            mode = existing.lstat().st_mode
        except FileNotFoundError:
            return 0
    if stat.S_ISDIR(mode):
        raise user_error("target-exists", f"{existing} is a folder", "remove it first, or name another folder")
    return mode


def _read_existing_file(file: NewFile, path: Path, mode: int) -> Digests | None:
    """Return the digests of an existing file; None if it is of another type or mode than the new one."""
    if stat.S_ISLNK(mode) and file.mode == SYMLINK_MODE:
        return compute_digests(io.BytesIO(os.fsencode(path.readlink())))
    is_executable = bool(mode & stat.S_IXUSR)
    if not stat.S_ISREG(mode) or file.mode == SYMLINK_MODE or is_executable != (file.mode == EXECUTABLE_MODE):
        return None
    with open_regular_file(path) as stream:
        return compute_digests(stream)


def _write_file(file: NewFile, folder: Path, counter: _Counter) -> Digests:
    """Write a new file and return its digests; raise UserError ``content-corrupt`` if they are not those expected."""
    path = folder / file.path
    _make_folders(folder, file.path.rpartition("/")[0])
    path.unlink(missing_ok=True)  # what was cut is not whole
    with file.open() as stream:
        digests = _write_link(file, path, stream) if file.mode == SYMLINK_MODE else _copy(stream, path, counter)
    if file.md5 and digests.md5 != file.md5:
        name = f"{file.owner}: the file {file.path}"
        message = f"{name} is not as it was stored: its digest is {digests.md5}, not {file.md5}"
        raise user_error("content-corrupt", message, file.hint)
    if file.mode == EXECUTABLE_MODE:
        permissions = path.stat().st_mode
        path.chmod(permissions | (permissions & 0o444) >> 2)  # who may read it may execute it
    return digests


def _write_link(file: NewFile, path: Path, stream: BinaryIO) -> Digests:
    link = stream.read(MAX_LINK_BYTES + 1)
    check_link(file.path, link)
    path.symlink_to(os.fsdecode(link))
    return compute_digests(io.BytesIO(link))


def _copy(stream: BinaryIO, path: Path, counter: _Counter) -> Digests:
    with path.open("xb", buffering=0) as copy:

        def write(chunk: bytes) -> None:
            with naming_errors(path):
                view = memoryview(chunk)
                while view:
                    view = view[copy.write(view) :]
            counter.add_chunk(chunk)

        return compute_digests(stream, write)


def _make_folders(folder: Path, path: str) -> None:
    """Make the folders of a path below a folder; what is in the place of one is an error, also a link."""
    for name in filter(None, path.split("/")):
        folder /= name
        try:
            folder.mkdir()
        except FileExistsError:
            if folder.is_symlink() or not folder.is_dir():
                raise


def _move_files(files: Sequence[NewFile], temporary: Path, target: Path) -> None:
    for file in files:
        _make_folders(target, file.path.rpartition("/")[0])
        (temporary / file.path).replace(target / file.path)
