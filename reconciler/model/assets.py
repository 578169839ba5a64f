"""What files declare: addresses, trees, references, assets, and assets with everything they depend on found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from reconciler.model.links import BrokenLinkError, follow_links

Json = Any
Spec = Mapping[str, Json]

EMPTY_MAPPING: Mapping[str, Any] = MappingProxyType({})

SYMLINK_MODE, SUBMODULE_MODE = 0o120000, 0o160000  # modes of a symbolic link and of a submodule


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """How a person names an asset: ``model/iris``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    def format_with_version(self, version: str) -> str:
        """Name one version of the asset, ``model/iris@3``; without a version the address alone."""
        return f"{self}@{version}" if version else str(self)


def parse_address(text: str) -> Address:
    """Read ``kind/name``; the name may hold further slashes."""
    kind, _, name = text.partition("/")
    return Address(kind, name)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a Git tree: its mode (0o100644, 0o100755, 0o120000, 0o160000) and its blob."""

    mode: int
    oid: str


class TreeEntries(Mapping[str, TreeEntry]):
    """Files by path that can be had folder by folder, without going through all."""

    @abstractmethod
    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        """Go through the files below a folder, "" for all."""


class FileReader(Protocol):
    """Files by path, from wherever: all that the format needs to know of the world."""

    def read_file(self, path: str) -> bytes:
        """Read the file at a path that exists."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder stands at the path."""
        ...

    def display_path(self, path: str) -> str:
        """Write a path as the user sees it."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """A Git tree as a value; paths count from the top of the repository."""

    oid: str
    entries: Mapping[str, TreeEntry]
    read_blob: Callable[[str], bytes]
    root: str = ""  # folder of the workspace inside the repository, "" or "a/b/"
    tree_at_commit: Callable[[str], Tree | None] = lambda _commit: (
        None
    )  # the same workspace at another commit, while Git has it
    blob_size: Callable[[str], int] | None = None  # of a blob, in bytes, where that can be told without reading it

    def read_file(self, path: str) -> bytes:
        """Read the file at a path that exists, links followed. What is no file is empty."""
        try:
            entry = self.entries.get(self.real_path(path))
        except BrokenLinkError:
            return b""
        return self.read_blob(entry.oid) if entry is not None and entry.mode != SUBMODULE_MODE else b""

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder stands at the path; a link does, whatever it leads to."""
        if path in self.entries:
            return True
        try:
            real = self.real_path(path)
        except BrokenLinkError:
            return False
        return not real or real in self.entries or any(True for _ in self.entries_below(real))

    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        """Go through the files below a folder, "" for the whole tree, without following links."""
        if isinstance(self.entries, TreeEntries):
            return self.entries.entries_below(folder)
        prefix = f"{folder}/" if folder else ""
        return ((path, entry) for path, entry in self.entries.items() if path.startswith(prefix))

    def real_path(self, path: str) -> str:
        """Return the path with all links on its way followed; a BrokenLinkError where that cannot be."""
        return follow_links(path, self._link_target)

    def _link_target(self, path: str) -> str | None:
        entry = self.entries.get(path)
        linked = entry is not None and entry.mode == SYMLINK_MODE
        return self.read_blob(self.entries[path].oid).decode("utf-8", "surrogateescape") if linked else None

    def display_path(self, path: str) -> str:
        """Write a path as the user sees it, from the workspace root."""
        return path.removeprefix(self.root)


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention of another asset inside a spec, at a JSON pointer.

    At most one of ``version`` and ``label`` is given. ``output`` names an output of the job that ``address`` is,
    ``path`` what lies below it.
    """

    pointer: str
    text: str
    address: Address
    version: str = ""
    label: str = ""
    output: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder that a spec names, at a JSON pointer; ``path`` counts from the top of the repository.

    ``name`` is what it will be called where it is laid out, if that counts as well as the content.
    """

    pointer: str
    text: str
    path: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """One declared thing of any kind, as written in a file. ``version`` is "" where the file gives none."""

    address: Address
    spec: Spec
    source: str
    version: str = ""
    references: tuple[Reference, ...] = ()
    paths: tuple[LocalPath, ...] = ()
    runs_on_change: bool = True


@dataclass(frozen=True, slots=True)
class ResolvedReference:
    """What a reference stands for now: a version of an asset or a run of a job, and its fingerprint."""

    address: Address
    version: str
    fingerprint: str
    output: str = ""
    path: str = ""

    def __str__(self) -> str:
        tail = "/".join(each for each in (self.output, self.path) if each)
        return self.address.format_with_version(self.version) + (f" outputs/{tail}" if tail else "")


@dataclass(frozen=True, slots=True)
class ResolvedAsset:
    """An asset with everything it depends on found. ``fingerprint`` is "" while it waits for another's outcome."""

    asset: Asset
    contents: Mapping[str, str]
    references: Mapping[str, ResolvedReference]
    fingerprint: str
    metadata: str
    known_after: Address | None = None
