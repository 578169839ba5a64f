"""The files of a tree by path, as a mapping that reads a folder only when it is needed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import MAX_TEXT_BYTES, Tree, TreeEntries, TreeEntry


@dataclass(slots=True)
class LazyTreeEntries(TreeEntries):
    """The files of a tree or a commit by path; links and submodules are entries, folders are not.

    Looking up a path reads every folder on the way to it once. Iterating or counting lists the whole tree in one
    process. Raise MissingObjectError if an object is missing, so that it is never mistaken for an absent file.
    """

    repository: Repository
    tree: str
    _folders: dict[str, Mapping[str, TreeEntry]] = field(default_factory=dict)
    _all_entries: Mapping[str, TreeEntry] | None = None
    _sorted_paths: list[str] = field(default_factory=list)  # set together with _all_entries

    def __getitem__(self, path: str) -> TreeEntry:
        """Return the entry of the file at a path."""
        if self._all_entries is not None:
            return self._all_entries[path]
        folder, _, name = path.rpartition("/")
        entry = self._list_folder(folder).get(name)
        if entry is None or entry.mode == trees.FOLDER_MODE:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the paths of all files."""
        return iter(self._list_all())

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._list_all())

    def items(self) -> ItemsView[str, TreeEntry]:
        """Return the paths and entries of all files."""
        return self._list_all().items()

    def entries_below(self, folder: str) -> Iterator[tuple[str, TreeEntry]]:
        """Yield the path and entry of every file below a folder."""
        if self._all_entries is not None:
            yield from self._entries_with_prefix(self._all_entries, f"{folder}/" if folder else "")
            return
        for name, entry in self._list_folder(folder).items():
            path = f"{folder}/{name}" if folder else name
            if entry.mode == trees.FOLDER_MODE:
                yield from self.entries_below(path)
            else:
                yield path, entry

    def _entries_with_prefix(self, entries: Mapping[str, TreeEntry], prefix: str) -> Iterator[tuple[str, TreeEntry]]:
        for index in range(bisect_left(self._sorted_paths, prefix), len(self._sorted_paths)):
            path = self._sorted_paths[index]
            if not path.startswith(prefix):
                return
            yield path, entries[path]

    def _list_folder(self, path: str) -> Mapping[str, TreeEntry]:
        """Return the direct entries of a folder by name; empty if there is no such folder."""
        if path not in self._folders:
            self._folders[path] = self._read_folder(path)
        return self._folders[path]

    def _read_folder(self, path: str) -> Mapping[str, TreeEntry]:
        if not path:
            return trees.list_folder(self.repository, f"{self.tree}^{{tree}}")
        parent, _, name = path.rpartition("/")
        entry = self._list_folder(parent).get(name) if name else None
        return trees.list_folder(self.repository, entry.oid) if entry and entry.mode == trees.FOLDER_MODE else {}

    def _list_all(self) -> Mapping[str, TreeEntry]:
        if self._all_entries is None:
            self._all_entries = trees.list_files(self.repository, self.tree)
            self._sorted_paths = sorted(self._all_entries)
        return self._all_entries


def load_tree(repository: Repository, tree: str, root: str = "") -> Tree:
    """Return a tree that reads from Git on demand; ``root``, the workspace folder, is "" or ends in a slash."""

    def tree_at_commit(commit: str) -> Tree | None:
        resolved = repository.resolve(commit)
        return load_tree(repository, repository.tree_of(resolved), root) if resolved else None

    def read_blob(oid: str) -> bytes:
        content = repository.read_text(oid, MAX_TEXT_BYTES)
        if content is None:
            raise trees.MissingObjectError(oid)
        return content

    def blob_size(oid: str) -> int:
        size = repository.object_size(oid)
        if size is None:
            raise trees.MissingObjectError(oid)
        return size

    return Tree(tree, LazyTreeEntries(repository, tree), read_blob, root, tree_at_commit, blob_size)


class PrefetchedTree(NamedTuple):
    """A tree with the contents and sizes that many processes need, read ahead by a few Git processes."""

    tree: Tree
    entries: LazyTreeEntries
    blobs: Mapping[str, bytes]
    sizes: Mapping[str, int]

    def open_after_fork(self) -> Tree:
        """Return the tree for a forked process; it reads what was not prefetched through its own Git processes."""
        reopened = load_tree(self.entries.repository.reopen(), self.entries.tree, self.tree.root)
        load_blob, load_size = reopened.read_blob, reopened.blob_size

        def read_blob(oid: str) -> bytes:
            return self.blobs[oid] if oid in self.blobs else load_blob(oid)

        def blob_size(oid: str) -> int:
            return self.sizes[oid] if oid in self.sizes or load_size is None else load_size(oid)

        return replace(reopened, entries=self.entries, read_blob=read_blob, blob_size=blob_size)


def prefetch_tree(tree: Tree, paths: Iterable[str]) -> PrefetchedTree | None:
    """Read the content of the files at paths and the size of all files; None if the tree is not read from Git."""
    entries = tree.entries
    if not isinstance(entries, LazyTreeEntries):
        return None
    sizes = trees.blob_sizes(entries.repository, entries.tree)
    len(entries)  # lists the whole tree, so that no forked process has to
    oids = [entries[path].oid for path in paths]
    blobs = trees.read_blobs(entries.repository, [oid for oid in oids if sizes.get(oid, 0) <= MAX_TEXT_BYTES])
    return PrefetchedTree(tree, entries, blobs, sizes)
