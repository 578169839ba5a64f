"""What the result of parsing one file depends on: recorded while the file is parsed, compared with the files later.

A dependency is a path with its fingerprint. Files on disk have one: the blob id of the content and a stamp of inode,
size and times, or what there is at the path. In a Git tree it is recorded as empty: a tree names all contents, so the
difference of two trees says which dependencies have changed; ``TreeFingerprints`` has them for the local cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model import FileReader, PathProblem, Tree, TreeEntries, TreeEntry
from reconciler.source.disk import USABLE, DiskFiles
from reconciler.source.rooted_files import IS_FILE, MISSING

SourceFiles = Tree | DiskFiles

_IN_TREE = ""


def trace_files(files: SourceFiles, path: str, deps: dict[str, str]) -> FileReader:
    """Return the same files, which record in ``deps`` all that is asked of them while the file at a path is parsed."""
    return trace_tree(files, path, deps) if isinstance(files, Tree) else _TracedFiles(files, deps)


def trace_tree(tree: Tree, path: str, deps: dict[str, str]) -> Tree:
    """Return the same tree, which records in ``deps`` all that is asked of it while the file at a path is parsed."""
    return replace(tree, entries=_TracedEntries(tree, path, deps))


@dataclass(slots=True)
class _TracedEntries(TreeEntries):
    """Entries of a tree that record which are asked for; folders end in a slash. The parsed file itself is implied.

    A folder is not recorded if only a file of its name was asked for: it can become a file only by losing all that it
    has, or by becoming a link, and ``project.affected`` reads everything if a link has changed.
    """

    tree: Tree
    path: str
    deps: dict[str, str]

    def __getitem__(self, path: str) -> TreeEntry:
        entry = self.tree.entries.get(path)
        is_folder = entry is None and next(iter(self.tree.entries_below(path)), None) is not None
        if path != self.path and not is_folder:
            self.deps[path] = _IN_TREE
        if entry is None:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        self.deps["/"] = _IN_TREE
        return iter(self.tree.entries)

    def __len__(self) -> int:
        self.deps["/"] = _IN_TREE
        return len(self.tree.entries)

    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        self.deps[f"{folder}/"] = _IN_TREE
        return self.tree.entries_below(folder)


@dataclass(slots=True)
class _TracedFiles:
    """Files on disk that record what is asked of them, and answer the same if asked again."""

    files: DiskFiles
    deps: dict[str, str]
    _contents: dict[str, bytes] = field(default_factory=dict)

    def read_file(self, path: str) -> bytes:
        if path not in self._contents:
            try:
                raw, stamp = self.files.read_with_stamp(path)
                self.deps[path] = _content_fingerprint(raw, stamp)
            except OSError:
                raw, self.deps[path] = b"", self.files.kind_of(path)
            self._contents[path] = raw
        return self._contents[path]

    def exists(self, path: str) -> bool:
        if path not in self.deps:
            self.deps[path] = self.files.kind_of(path)
        return _is_content(self.deps[path]) or self.deps[path] in USABLE

    def path_problem(self, path: str, *, must_be_file: bool = False) -> PathProblem | None:
        if path not in self.deps:
            self.deps[path] = self.files.kind_of(path)
        if _is_content(self.deps[path]) or self.deps[path] == IS_FILE:
            return None
        return self.files.path_problem(path, must_be_file=must_be_file)

    def display_path(self, path: str) -> str:
        return self.files.display_path(path)


@dataclass(slots=True)
class TreeFingerprints:
    """The fingerprints of paths in a tree, each computed once; a folder, which ends in a slash, has that of its files.

    They change if a file changes its content or mode, appears or disappears.
    """

    tree: Tree
    _by_path: dict[str, str] = field(default_factory=dict)

    def of_paths(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the fingerprints of paths."""
        return {path: self._of_path(path) for path in paths}

    def _of_path(self, path: str) -> str:
        if path not in self._by_path:
            self._by_path[path] = self._compute(path)
        return self._by_path[path]

    def _compute(self, path: str) -> str:
        if path == "/":
            return self.tree.oid
        if path.endswith("/"):
            digest = hashlib.sha256()
            for name, file in sorted(self.tree.entries_below(path.removesuffix("/"))):
                digest.update(f"{name}\0{file.mode} {file.oid}\n".encode("utf-8", "surrogateescape"))
            return digest.hexdigest()
        entry = self.tree.entries.get(path)
        return f"{entry.mode} {entry.oid}" if entry else MISSING


@dataclass(slots=True)
class DependencyChecker:
    """Compares recorded dependencies with the files on disk, each of which is looked at once."""

    files: DiskFiles
    _contents: dict[str, str] = field(default_factory=dict)
    _kinds: dict[str, str] = field(default_factory=dict)

    def revalidate(self, deps: Mapping[str, str]) -> Mapping[str, str] | None:
        """Return the dependencies with their present stamps if none has changed; None if one has."""
        current = {path: self._current_fingerprint(path, recorded) for path, recorded in deps.items()}
        if current == deps:
            return deps
        unchanged = all(_without_stamp(current[path]) == _without_stamp(recorded) for path, recorded in deps.items())
        return current if unchanged else None

    def _current_fingerprint(self, path: str, recorded: str) -> str:
        if not _is_content(recorded):
            if path not in self._kinds:
                self._kinds[path] = self.files.kind_of(path)
            return self._kinds[path]
        if path not in self._contents:
            self._contents[path] = self._content_fingerprint(path, recorded)
        return self._contents[path]

    def _content_fingerprint(self, path: str, recorded: str) -> str:
        """Return the fingerprint of a file; a file that has its recorded stamp is not read."""
        stamp = self.files.stamp(path)
        if stamp and stamp == recorded.partition(" ")[2]:
            return recorded
        try:
            return _content_fingerprint(*self.files.read_with_stamp(path))
        except OSError:
            return self.files.kind_of(path)


def _is_content(fingerprint: str) -> bool:
    """Return True if a fingerprint is one of content, not of what there is at a path."""
    return " " in fingerprint


def _content_fingerprint(raw: bytes, stamp: str) -> str:
    """Return the id that Git has for a blob of these bytes, and the stamp."""
    blob_id = hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
    return f"{blob_id} {stamp}"


def _without_stamp(fingerprint: str) -> str:
    return fingerprint.partition(" ")[0]
