"""What files declare: addresses, trees, references, assets, and assets with their dependencies resolved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from reconciler.model.links import BrokenLinkError, PathProblem, broken_link_problem, follow_links

Json = Any
Spec = Mapping[str, Json]

EMPTY_MAPPING: Mapping[str, Any] = MappingProxyType({})

_FILE_HINT = "name a file"

MAX_TEXT_BYTES = 5_000_000  # of a file that is parsed
SYMLINK_MODE, SUBMODULE_MODE = 0o120000, 0o160000  # modes of a symbolic link and of a submodule


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The name of an asset with its kind: ``model/iris``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    def format_with_version(self, version: str) -> str:
        """Return the name of one version, ``model/iris@3``; without a version the address alone."""
        return f"{self}@{version}" if version else str(self)


def parse_address(text: str) -> Address:
    """Return the address of ``kind/name``; the name may contain further slashes."""
    kind, _, name = text.partition("/")
    return Address(kind, name)


class TreeEntry(NamedTuple):
    """One file of a Git tree: its mode (0o100644, 0o100755, 0o120000, 0o160000) and its blob."""

    mode: int
    oid: str


class TreeEntries(Mapping[str, TreeEntry]):
    """Files by path that can be listed by folder, without listing all."""

    @abstractmethod
    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        """Yield the files below a folder, "" for all."""


class FileReader(Protocol):
    """Access to files by path: all that the format needs of a tree or a disk."""

    def read_file(self, path: str) -> bytes:
        """Return the content of the file at a path that exists."""
        ...

    def exists(self, path: str) -> bool:
        """Return True if there is a file or a folder at the path."""
        ...

    def display_path(self, path: str) -> str:
        """Return a path as the user sees it."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """A Git tree as a value; paths are relative to the top of the repository."""

    oid: str
    entries: Mapping[str, TreeEntry]
    read_blob: Callable[[str], bytes]  # cut off beyond MAX_TEXT_BYTES by one byte, which tells that it is longer
    root: str = ""  # folder of the workspace inside the repository, "" or "a/b/"
    # The same workspace at another commit, None if Git does not have it.
    tree_at_commit: Callable[[str], Tree | None] = lambda _commit: None
    blob_size: Callable[[str], int] | None = None  # in bytes; None if only reading the blob tells

    def read_file(self, path: str) -> bytes:
        """Return the content of the file at a path, links followed; empty if it is no file."""
        try:
            entry = self.entries.get(self.real_path(path))
        except BrokenLinkError:
            return b""
        return self.read_blob(entry.oid) if entry is not None and entry.mode != SUBMODULE_MODE else b""

    def exists(self, path: str) -> bool:
        """Return True if there is a file or a folder at the path; a link counts, whatever its target."""
        if path in self.entries and not path.startswith("/"):
            return True
        try:
            real = self.real_path(path)
        except BrokenLinkError:
            return False
        return not real or real in self.entries or any(True for _ in self.entries_below(real))

    def path_problem(self, path: str, *, must_be_file: bool = False) -> PathProblem | None:
        """Return why what is at a path cannot be used; None if it can be, or if there is nothing."""
        try:
            real = self.real_path(path)
        except BrokenLinkError as error:
            if error.link:
                return broken_link_problem(error.code, self.display_path(error.link), error.target)
            return PathProblem("path-outside", self.display_path(path), "is outside the repository", "")
        entry = self.entries.get(real)
        if entry is not None and entry.mode != SUBMODULE_MODE:
            return None
        if entry is not None or any(True for _ in self.entries_below(real)):
            return (
                PathProblem("not-a-file", self.display_path(path), "is a folder", _FILE_HINT) if must_be_file else None
            )
        target = self._link_target(path)
        return None if target is None else broken_link_problem("link-dangling", self.display_path(path), target)

    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        """Yield the files below a folder, "" for the whole tree, without following links."""
        if isinstance(self.entries, TreeEntries):
            return self.entries.entries_below(folder)
        prefix = f"{folder}/" if folder else ""
        return ((path, entry) for path, entry in self.entries.items() if path.startswith(prefix))

    def real_path(self, path: str) -> str:
        """Return the path with all links followed. Raise BrokenLinkError if that is not possible."""
        return follow_links(path, self._link_target)

    def _link_target(self, path: str) -> str | None:
        entry = self.entries.get(path)
        if entry is None or entry.mode != SYMLINK_MODE:
            return None
        return self.read_blob(entry.oid).decode("utf-8", "surrogateescape")

    def display_path(self, path: str) -> str:
        """Return a path relative to the workspace root, as the user sees it."""
        return path.removeprefix(self.root)


class Reference(NamedTuple):
    """A mention of another asset inside a spec, at a JSON pointer.

    At most one of ``version`` and ``label`` is given. If ``address`` is a job, ``output`` names an output of it, and
    ``path`` a path within that.
    """

    pointer: str
    text: str
    address: Address
    version: str = ""
    label: str = ""
    output: str = ""
    path: str = ""


LOCK_POINTER = "/lock"  # where the lock counts that mlgit.yml binds to an environment; no spec has such a field


class LocalPath(NamedTuple):
    """A file or folder that a spec names, at a JSON pointer; ``path`` is relative to the top of the repository.

    ``name`` is its name in the working directory of a run, if the name matters as well as the content.
    """

    pointer: str
    text: str
    path: str
    name: str = ""


class Asset(NamedTuple):
    """One declared thing of any kind, as written in a file. ``version`` is "" if the file gives none.

    ``place`` is the JSON pointer of the output in the file of a job from which it is registered, "" for a whole file.
    """

    address: Address
    spec: Spec
    source: str
    version: str = ""
    references: tuple[Reference, ...] = ()
    paths: tuple[LocalPath, ...] = ()
    runs_on_change: bool = True
    place: str = ""
