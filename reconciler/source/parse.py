"""Many asset files of a tree read: on every core, and with what the reading of each saw of the tree.

What a file declares follows from its bytes and from what it saw of others, such as the code that it names. So who
knows both knows whether a file must be read again.
"""

from __future__ import annotations

import copyreg
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, build_asset_set
from reconciler.format.document import Document
from reconciler.format.include import IncludeGlob
from reconciler.format.kinds import kinds
from reconciler.format.load import LoadedFile, load_asset_file
from reconciler.format.schemas import compile_schemas
from reconciler.format.yaml import parse_yaml
from reconciler.git.lazy_tree import PrefetchedTree, prefetch_tree
from reconciler.model import Address, Asset, LocalPath, Reference, Tree, TreeEntries, TreeEntry
from reconciler.source.workers import core_count, fork_pool

_SERIAL_LIMIT = 64  # files that one process reads in less time than a second one takes to start
_CHUNK_SIZE = 100

Candidates = Sequence[tuple[str, IncludeGlob]]


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What came of one file that is, or means to be, an asset.

    ``seen`` names what its reading saw of the tree: files, there or not, and folders, which end in a slash.
    """

    path: str
    display_path: str
    address: Address | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...] = ()
    deps: tuple[str, ...] = ()


class _LazyDocument(Document):
    """A document that is read when something in it is asked for: most never are."""

    __slots__ = ("_load",)

    def __init__(self, path: str, load: Callable[[], Document]) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_load", load)

    def __getattr__(self, name: str) -> Any:
        if name not in {"data", "text"}:
            raise AttributeError(name)
        document = self._load()
        for each in ("data", "text"):
            object.__setattr__(self, each, getattr(document, each))
        return getattr(document, name)


@dataclass(slots=True)
class _TracedTree(TreeEntries):
    """Files of a tree that remember what was asked of them.

    A folder is not noted where only a file was asked for in its place: it could become one only by losing all that it
    has, or by becoming a link, and who watches knows of links (``source.index``).
    """

    tree: Tree
    accessed: set[str] = field(default_factory=set)

    def __getitem__(self, path: str) -> TreeEntry:
        entry = self.tree.entries.get(path)
        if entry is None:
            if next(iter(self.tree.entries_below(path)), None) is None:
                self.accessed.add(path)
            raise KeyError(path)
        self.accessed.add(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        self.accessed.add("/")
        return iter(self.tree.entries)

    def __len__(self) -> int:
        self.accessed.add("/")
        return len(self.tree.entries)

    def entries_below(self, folder: str) -> Iterable[tuple[str, TreeEntry]]:
        self.accessed.add(f"{folder}/")
        return self.tree.entries_below(folder)


def parse_file(tree: Tree, path: str, glob: IncludeGlob, config: Config) -> ParsedFile | None:
    """Read one file; None where it is nothing of ours."""
    watched = _TracedTree(tree)
    reading = load_asset_file(replace(tree, entries=watched), path, glob, config.rules)
    if reading is None:
        return None
    seen = tuple(sorted(watched.accessed - {path}))
    return ParsedFile(path, tree.display_path(path), reading.address, reading.asset, reading.diagnostics, seen)


def parse_files(tree: Tree, chosen: Candidates, config: Config) -> list[ParsedFile]:
    """Read files, on every core where there are many; what is nothing of ours is left out."""
    known = (
        prefetch_tree(tree, (path for path, _ in chosen)) if len(chosen) > _SERIAL_LIMIT and core_count() > 1 else None
    )
    if known is None:
        found = (parse_file(tree, path, glob, config) for path, glob in chosen)
        return [parsed_file for parsed_file in found if parsed_file is not None]
    compile_schemas(kinds())  # once, before the processes part
    gc.freeze()
    chunks = [chosen[start : start + _CHUNK_SIZE] for start in range(0, len(chosen), _CHUNK_SIZE)]
    with fork_pool(_init_worker, known, config) as pool:
        return [parsed_file for part in pool.imap(_parse_chunk, chunks) for parsed_file in part]


def assemble_asset_set(tree: Tree, found: Iterable[ParsedFile]) -> AssetSet:
    """Put together what files declare."""
    return build_asset_set(_with_lazy_document(tree, parsed_file) for parsed_file in found)


def _with_lazy_document(tree: Tree, found: ParsedFile) -> LoadedFile:
    def load() -> Document:
        return parse_yaml(found.display_path, tree.read_file(found.path))[0]

    return LoadedFile(
        found.path, _LazyDocument(found.display_path, load), None, found.asset, found.diagnostics, found.address
    )


def _pickle_by_fields(cls: type[Any]) -> None:
    """Let values of a class go from one process to another by their fields, which takes a third of the time."""
    names = [field.name for field in fields(cls)]
    copyreg.pickle(cls, lambda value: (cls, tuple(getattr(value, name) for name in names)))


for _cls in (ParsedFile, Asset, Address, Reference, LocalPath):
    _pickle_by_fields(_cls)


_FORK_INPUTS: list[tuple[Tree, Config]] = []  # what a forked process reads from; set once, when it begins


def _init_worker(known: PrefetchedTree, config: Config) -> None:
    gc.disable()  # the process lives for a moment, and what it makes refers to nothing in a circle
    _FORK_INPUTS.append((known.open_after_fork(), config))


def _parse_chunk(chosen: Candidates) -> list[ParsedFile]:
    tree, config = _FORK_INPUTS[0]
    found = (parse_file(tree, path, glob, config) for path, glob in chosen)
    return [parsed_file for parsed_file in found if parsed_file is not None]
