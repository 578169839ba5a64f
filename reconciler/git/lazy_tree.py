"""The files of a tree by path, as a mapping that reads the folders that are asked about, and no others."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import Tree, TreeEntries, TreeEntry


@dataclass(slots=True)
class LazyTreeEntries(TreeEntries):
    """Every file of a tree, or of a commit's; links and submodules are entries, folders are not.

    Looking up a path reads the folders on its way, each once; going through all, or counting, lists the whole tree in
    one process. A MissingObjectError where Git has not all that is asked for: it never passes for a file that is not
    there.
    """

    repository: Repository
    tree: str
    _folders: dict[str, Mapping[str, TreeEntry]] = field(default_factory=dict)
    _all_entries: Mapping[str, TreeEntry] | None = None
    _sorted_paths: list[str] = field(default_factory=list)  # of all, in order

    def __getitem__(self, path: str) -> TreeEntry:
        """Return the file at a path."""
        if self._all_entries is not None:
            return self._all_entries[path]
        folder, _, name = path.rpartition("/")
        entry = self._list_folder(folder).get(name)
        if entry is None or entry.mode == trees.FOLDER_MODE:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        """Go through the paths."""
        return iter(self._list_all())

    def __len__(self) -> int:
        """Count the files."""
        return len(self._list_all())

    def items(self) -> ItemsView[str, TreeEntry]:
        """Go through all files."""
        return self._list_all().items()

    def entries_below(self, folder: str) -> Iterator[tuple[str, TreeEntry]]:
        """Go through the files below a folder."""
        if self._all_entries is not None:
            yield from self._entries_with_prefix(self._all_entries, f"{folder}/" if folder else "")
            return
        for name, entry in self._list_folder(folder).items():
            path = f"{folder}/{name}" if folder else name
            if entry.mode == trees.FOLDER_MODE:
                yield from self.entries_below(path)
            else:
                yield path, entry

    def _entries_with_prefix(self, every: Mapping[str, TreeEntry], prefix: str) -> Iterator[tuple[str, TreeEntry]]:
        for place in range(bisect_left(self._sorted_paths, prefix), len(self._sorted_paths)):
            path = self._sorted_paths[place]
            if not path.startswith(prefix):
                return
            yield path, every[path]

    def _list_folder(self, path: str) -> Mapping[str, TreeEntry]:
        """Read a folder, nothing where there is none."""
        if path not in self._folders:
            self._folders[path] = self._read_folder(path)
        return self._folders[path]

    def _read_folder(self, path: str) -> Mapping[str, TreeEntry]:
        if not path:
            return trees.list_folder(self.repository, f"{self.tree}^{{tree}}")
        above, _, name = path.rpartition("/")
        entry = self._list_folder(above).get(name) if name else None
        return trees.list_folder(self.repository, entry.oid) if entry and entry.mode == trees.FOLDER_MODE else {}

    def _list_all(self) -> Mapping[str, TreeEntry]:
        if self._all_entries is None:
            self._all_entries = trees.list_files(self.repository, self.tree)
            self._sorted_paths = sorted(self._all_entries)
        return self._all_entries


def load_tree(repository: Repository, tree: str, root: str = "") -> Tree:
    """Return a tree with everything below it; ``root`` is the folder of the workspace, "" or ending in a slash."""

    def at(commit: str) -> Tree | None:
        known = repository.resolve(commit)
        return load_tree(repository, repository.tree_of(known), root) if known else None

    def read(oid: str) -> bytes:
        return trees.read_blob(repository, oid)

    def size(oid: str) -> int:
        blob_size = repository.object_size(oid)
        if blob_size is None:
            raise trees.MissingObjectError(oid)
        return blob_size

    return Tree(tree, LazyTreeEntries(repository, tree), read, root, at, size)


@dataclass(frozen=True, slots=True)
class PrefetchedTree:
    """What many will ask of a tree, asked in a few processes instead of question by question."""

    tree: Tree
    entries: LazyTreeEntries
    blobs: Mapping[str, bytes]
    sizes: Mapping[str, int]

    def open_after_fork(self) -> Tree:
        """Return the tree for a process that parted from the one that read ahead; the rest it asks by itself."""
        own = load_tree(self.entries.repository.reopen(), self.entries.tree, self.tree.root)
        read, size = own.read_blob, own.blob_size

        def known(oid: str) -> bytes:
            return self.blobs[oid] if oid in self.blobs else read(oid)

        def measured(oid: str) -> int:
            return self.sizes[oid] if oid in self.sizes or size is None else size(oid)

        return replace(own, entries=self.entries, read_blob=known, blob_size=measured)


def prefetch_tree(tree: Tree, paths: Iterable[str]) -> PrefetchedTree | None:
    """Read the files at paths, and of all files how large they are; None for a tree that is not Git's."""
    entries = tree.entries
    if not isinstance(entries, LazyTreeEntries):
        return None
    sizes = trees.blob_sizes(entries.repository, entries.tree)
    len(entries)  # lists them all, so that no process need ask
    return PrefetchedTree(
        tree, entries, trees.read_blobs(entries.repository, [entries[path].oid for path in paths]), sizes
    )
