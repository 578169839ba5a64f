"""The files of a tree by path, as a mapping that reads the folders that are asked about, and no others."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import Entry, Folders, Tree


@dataclass(slots=True)
class Listing(Folders):
    """Every file of a tree, or of a commit's; links and submodules are entries, folders are not.

    Looking up a path reads the folders on its way, each once; going through all, or counting, lists the whole tree in
    one process. A MissingObjectError where Git has not all that is asked for: it never passes for a file that is not
    there.
    """

    repository: Repository
    tree: str
    _folders: dict[str, Mapping[str, Entry]] = field(default_factory=dict)
    _all: Mapping[str, Entry] | None = None
    _paths: list[str] = field(default_factory=list)  # of all, in order

    def __getitem__(self, path: str) -> Entry:
        """Return the file at a path."""
        if self._all is not None:
            return self._all[path]
        folder, _, name = path.rpartition("/")
        entry = self._folder(folder).get(name)
        if entry is None or entry.mode == trees.FOLDER:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        """Go through the paths."""
        return iter(self._whole())

    def __len__(self) -> int:
        """Count the files."""
        return len(self._whole())

    def items(self) -> ItemsView[str, Entry]:
        """Go through all files."""
        return self._whole().items()

    def under(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Go through the files below a folder."""
        if self._all is not None:
            yield from self._slice(self._all, f"{folder}/" if folder else "")
            return
        for name, entry in self._folder(folder).items():
            path = f"{folder}/{name}" if folder else name
            if entry.mode == trees.FOLDER:
                yield from self.under(path)
            else:
                yield path, entry

    def _slice(self, every: Mapping[str, Entry], prefix: str) -> Iterator[tuple[str, Entry]]:
        for place in range(bisect_left(self._paths, prefix), len(self._paths)):
            path = self._paths[place]
            if not path.startswith(prefix):
                return
            yield path, every[path]

    def _folder(self, path: str) -> Mapping[str, Entry]:
        """Read a folder, nothing where there is none."""
        if path not in self._folders:
            self._folders[path] = self._unread(path)
        return self._folders[path]

    def _unread(self, path: str) -> Mapping[str, Entry]:
        if not path:
            return trees.folder(self.repository, f"{self.tree}^{{tree}}")
        above, _, name = path.rpartition("/")
        entry = self._folder(above).get(name) if name else None
        return trees.folder(self.repository, entry.oid) if entry and entry.mode == trees.FOLDER else {}

    def _whole(self) -> Mapping[str, Entry]:
        if self._all is None:
            self._all = trees.entries(self.repository, self.tree)
            self._paths = sorted(self._all)
        return self._all


def load(repository: Repository, tree: str, root: str = "") -> Tree:
    """Return a tree with everything below it; ``root`` is the folder of the workspace, "" or ending in a slash."""

    def at(commit: str) -> Tree | None:
        known = repository.resolve(commit)
        return load(repository, repository.tree_of(known), root) if known else None

    def read(oid: str) -> bytes:
        return trees.blob(repository, oid)

    def size(oid: str) -> int:
        try:
            with repository.reading() as git:
                return int(git.get_object_header(oid)[2])
        except ValueError as error:  # as in `blob`
            raise trees.MissingObjectError(oid) from error

    return Tree(tree, Listing(repository, tree), read, root, at, size)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What many will ask of a tree, asked in a few processes instead of question by question."""

    tree: Tree
    entries: Listing
    blobs: Mapping[str, bytes]
    sizes: Mapping[str, int]

    def opened(self) -> Tree:
        """Return the tree for a process that parted from the one that read ahead; the rest it asks by itself."""
        own = load(self.entries.repository.again(), self.entries.tree, self.tree.root)
        read, size = own.read, own.size

        def known(oid: str) -> bytes:
            return self.blobs[oid] if oid in self.blobs else read(oid)

        def measured(oid: str) -> int:
            return self.sizes[oid] if oid in self.sizes or size is None else size(oid)

        return replace(own, entries=self.entries, read=known, size=measured)


def ahead(tree: Tree, paths: Iterable[str]) -> Ahead | None:
    """Read the files at paths, and of all files how large they are; None for a tree that is not Git's."""
    entries = tree.entries
    if not isinstance(entries, Listing):
        return None
    sizes = trees.sizes(entries.repository, entries.tree)
    len(entries)  # lists them all, so that no process need ask
    return Ahead(tree, entries, trees.blobs(entries.repository, [entries[path].oid for path in paths]), sizes)
