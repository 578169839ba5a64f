"""Access to the disk below certain folders, the roots: nothing outside of them is read or written.

The files of a workspace may be those of people whom the user does not trust, and a path with ``..`` or a symbolic link
leads anywhere. So a path is resolved with all its links and compared with the roots first. Then it is opened folder by
folder without following links: a folder that was replaced by a link in between is refused as well. A file is opened
without waiting, so a named pipe never blocks, and nothing but a regular file is read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import PathProblem, broken_link_problem
from reconciler.regular_files import READ_FLAGS, check_regular, naming_errors, read_descriptor
from reconciler.source.open_folders import FOLDER_FLAGS, OpenFolders
from reconciler.source.roots import GIT_FOLDER, RealFolders, Root, find_root, folder_root

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

MISSING, IS_FILE, IS_FOLDER = "missing", "file", "folder"  # what there is at a path


class UnavailablePathError(OSError, UserError):
    """A path cannot be used; ``problem`` says why."""

    def __init__(self, problem: PathProblem) -> None:
        OSError.__init__(self, errno.EACCES, problem.predicate, problem.subject)
        self.diagnostics = (Diagnostic(problem.code, str(problem), hint=problem.hint),)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RootedFiles:
    """The files below roots. A path is absolute, or relative to ``top``."""

    top: Path
    roots: tuple[Root, ...]
    _real_folders: RealFolders = field(default_factory=RealFolders)
    _usable_folders: dict[str, str] = field(default_factory=dict)  # as paths name them, with their links followed
    _open_folders: OpenFolders = field(default_factory=OpenFolders)

    def status(self, path: str) -> os.stat_result:
        """Return the status of what a path leads to, links followed. Raise OSError if that cannot be used."""
        located = self._locate(path)
        status = os.lstat(located)
        return os.lstat(self._resolve(located, path)) if stat.S_ISLNK(status.st_mode) else status

    def is_file(self, path: str) -> bool:
        """Return True if there is a regular file at a path, and no link."""
        try:
            return stat.S_ISREG(os.lstat(self._locate(path)).st_mode)
        except OSError:
            return False

    def kind_of(self, path: str) -> str:
        """Return what there is at a path: ``file``, ``folder``, ``missing``, or the code of why it cannot be used."""
        return self.inspect(path)[0]

    def find_problem(self, path: str) -> PathProblem | None:
        """Return why the file or folder at a path cannot be used; None if it can be, or if there is none."""
        return self.inspect(path)[1]

    def inspect(self, path: str) -> tuple[str, PathProblem | None]:
        """Return what there is at a path, as `kind_of`, and why it cannot be used."""
        try:
            status = self.status(path)
        except UnavailablePathError as error:
            return error.problem.code, error.problem
        except OSError as error:
            problem = self._missing_problem(path, error)
            return (problem.code, problem) if problem else (MISSING, None)
        problem = self._status_problem(path, status)
        if problem is not None:
            return problem.code, problem
        return IS_FOLDER if stat.S_ISDIR(status.st_mode) else IS_FILE, None

    def _status_problem(self, path: str, status: os.stat_result) -> PathProblem | None:
        if stat.S_ISLNK(status.st_mode):
            return self._link_problem(path, "link-circle")
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return PathProblem("not-a-file", path, "is neither a file nor a folder", "replace it with a file")
        if not os.access(self._locate(path), os.R_OK):
            return PathProblem("path-unreadable", path, "cannot be read: Permission denied", "check its permissions")
        return None

    def read_file(self, path: str, max_bytes: int) -> bytes:
        """Return the content of a file, cut off beyond ``max_bytes``. Raise OSError if it cannot be read."""
        descriptor = self.open_file(path)
        try:
            return read_descriptor(descriptor, max_bytes)
        finally:
            os.close(descriptor)

    def open_file(self, path: str) -> int:
        """Open a regular file for reading. Raise OSError if it cannot be read."""
        located = self._locate(path)
        try:
            descriptor = self._open_real(located)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            descriptor = self._open_real(self._resolve(located, path))  # it is a link
        try:
            check_regular(descriptor, path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _open_real(self, real: str) -> int:
        root = self._root_of(real)
        if real == root.folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), real)
        folder, _, name = real.rpartition("/")
        parent = self._open_folders.open(root.folder, folder or "/")
        return os.open(name, READ_FLAGS | os.O_NOFOLLOW, dir_fd=parent)

    def replace_file(self, path: str, content: bytes, *, make_folders: bool = False) -> None:
        """Write a file, or replace one atomically, keeping its mode; of a link, the file that it leads to."""
        real = self._real_path(path)
        with self._open_parent(real, create=make_folders) as parent, naming_errors(path):
            mode = _mode_of(_name_of(real), parent)
            temporary = f".{os.urandom(8).hex()}.part"
            try:
                _write_new_file(temporary, content, parent, mode)
                os.replace(temporary, _name_of(real), src_dir_fd=parent, dst_dir_fd=parent)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=parent)

    def create_file(self, path: str, content: bytes) -> None:
        """Write a new file. Raise FileExistsError if there is something at the path, a link included."""
        real = self._locate(path)
        with self._open_parent(real, create=True) as parent, naming_errors(path):
            _write_new_file(_name_of(real), content, parent, None)

    def remove_file(self, path: str) -> None:
        """Remove a file; of a link, the link. Raise FileNotFoundError if there is none."""
        real = self._locate(path)
        with self._open_parent(real) as parent, naming_errors(path):
            os.unlink(_name_of(real), dir_fd=parent)

    def _locate(self, path: str) -> str:
        """Return the path with the links of its folder followed. Raise UnavailablePathError if they lead out."""
        name = path.rpartition("/")[2]
        folder = path[: len(path) - len(name)]  # "" or with a slash at its end
        if "\0" in path or name in {"", ".", ".."} or name.lower() == GIT_FOLDER:
            return self._resolve(os.path.join(self.top, path), path)  # noqa: PTH118 - called for thousands of files
        if folder not in self._usable_folders:
            absolute = os.path.join(self.top, path)  # noqa: PTH118 - as above
            real_folder = self._real_folders.resolve(absolute.rpartition("/")[0] or "/")
            if not self._is_usable(real_folder):
                return self._resolve(absolute, path)  # it leads out, or is a root, whose own folder is outside
            self._usable_folders[folder] = real_folder.rstrip("/")
        return f"{self._usable_folders[folder]}/{name}"

    def _is_usable(self, real: str) -> bool:
        """Return True if a path without links is in a root, and not in Git's own folder."""
        return any(root.contains(real) and GIT_FOLDER not in _names_below(root, real) for root in self.roots)

    def _root_of(self, real: str) -> Root:
        return next(root for root in self.roots if root.contains(real))

    def _real_path(self, path: str) -> str:
        """Return the path with all links followed, as far as it exists. Raise UnavailablePathError if it leads out."""
        located = self._locate(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISLNK(os.lstat(located).st_mode):
                return located  # the links of its folder are followed already
        return self._resolve(located, path)

    def _resolve(self, absolute: str, path: str) -> str:
        try:
            real = os.path.realpath(absolute)
        except ValueError as error:  # a zero byte, or a lone surrogate
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        root = next((root for root in self.roots if root.contains(real)), None)
        if root is None:
            raise UnavailablePathError(self._outside_problem(absolute, path))
        if not self._is_usable(real):
            raise UnavailablePathError(PathProblem("path-outside", path, "is in Git's own folder", _MOVE_HINT))
        return real

    def _outside_problem(self, absolute: str, path: str) -> PathProblem:
        """Return the problem of a path that leads out: of the link that does it, if there is one."""
        outside = f"is outside {self.roots[0]}"
        names = os.path.abspath(absolute).split("/")  # noqa: PTH100 - resolves no links
        above = ["/".join(names[: count + 1]) for count in range(1, len(names))]
        inside = [parent for parent in above if any(root.contains(parent) for root in self.roots)]
        link = next((parent for parent in inside if os.path.islink(parent) and not self._leads_inside(parent)), None)  # noqa: PTH114 - as above
        if link is None:
            return PathProblem("path-outside", path, outside, _MOVE_HINT)
        subject = os.path.relpath(link, self.top)
        predicate = f"is a symbolic link to {os.readlink(link)}, which {outside}"  # noqa: PTH115 - a text
        return PathProblem("link-outside", subject, predicate, _COPY_HINT)

    def _leads_inside(self, link: str) -> bool:
        return any(root.contains(os.path.realpath(link)) for root in self.roots)

    def _missing_problem(self, path: str, error: OSError) -> PathProblem | None:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return self._link_problem(path, "link-dangling")
        if error.errno == errno.ELOOP:
            return self._link_problem(path, "link-circle")
        return PathProblem("path-unreadable", path, f"cannot be read: {error.strerror}", "check its permissions")

    def _link_problem(self, path: str, code: str) -> PathProblem | None:
        """Return the problem of a link that cannot be followed; None if there is no link at the path."""
        try:
            target = os.readlink(os.path.join(self.top, path))  # noqa: PTH115, PTH118 - a text, as it was written
        except (OSError, ValueError):
            return None
        return broken_link_problem(code, path, target)

    @contextmanager
    def _open_parent(self, real: str, *, create: bool = False) -> Iterator[int]:
        """Open the folder of a path without links, from its root downwards; with ``create``, make what is missing."""
        root = self._root_of(real)
        folder = os.open(root.folder, FOLDER_FLAGS)
        try:
            for name in real.removeprefix(root.folder).strip("/").split("/")[:-1]:
                if create:
                    with suppress(FileExistsError), naming_errors(real):
                        os.mkdir(name, dir_fd=folder)
                below = os.open(name, FOLDER_FLAGS, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


_MOVE_HINT = "move it into the repository; paths are relative to the folder of this file"
_COPY_HINT = "replace the link with a copy of its target"


def _name_of(real: str) -> str:
    return real.rpartition("/")[2]


def _names_below(root: Root, real: str) -> list[str]:
    return real.removeprefix(root.folder).lower().split("/")


def _mode_of(name: str, folder: int) -> int | None:
    try:
        return stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _write_new_file(name: str, content: bytes, folder: int, mode: int | None) -> None:
    """Write a new file in an open folder; without a mode it has that of any new file."""
    descriptor = os.open(name, _CREATE_FLAGS, 0o666, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(descriptor, mode)
        file.write(content)


def repository_files(folder: Path) -> RootedFiles:
    """Return the files of a folder and of the repository or the workspace that it is in."""
    return RootedFiles(folder, (find_root(folder) or folder_root(folder),))
