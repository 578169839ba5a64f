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

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import Declared, together
from reconciler.format.config import Config, Glob
from reconciler.format.kinds import kinds
from reconciler.format.reading import Reading, read
from reconciler.format.schemas import prepare
from reconciler.format.yaml import Document, parse
from reconciler.git.listing import Ahead, ahead
from reconciler.model import Address, Asset, Entry, Folders, LocalPath, Reference, Tree
from reconciler.source.workers import cores, forked

_FEW = 64  # files that one process reads in less time than a second one takes to start
_CHUNK = 100

Chosen = Sequence[tuple[str, Glob]]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one file that is, or means to be, an asset.

    ``seen`` names what its reading saw of the tree: files, there or not, and folders, which end in a slash.
    """

    path: str
    shown: str
    address: Address | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...] = ()
    seen: tuple[str, ...] = ()


class _Unread(Document):
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
class _Watched(Folders):
    """Files of a tree that remember what was asked of them.

    A folder is not noted where only a file was asked for in its place: it could become one only by losing all that it
    has, or by becoming a link, and who watches knows of links (``source.index``).
    """

    tree: Tree
    seen: set[str] = field(default_factory=set)

    def __getitem__(self, path: str) -> Entry:
        entry = self.tree.entries.get(path)
        if entry is None:
            if next(iter(self.tree.below(path)), None) is None:
                self.seen.add(path)
            raise KeyError(path)
        self.seen.add(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        self.seen.add("/")
        return iter(self.tree.entries)

    def __len__(self) -> int:
        self.seen.add("/")
        return len(self.tree.entries)

    def under(self, folder: str) -> Iterable[tuple[str, Entry]]:
        self.seen.add(f"{folder}/")
        return self.tree.below(folder)


def find(tree: Tree, path: str, glob: Glob, config: Config) -> Found | None:
    """Read one file; None where it is nothing of ours."""
    watched = _Watched(tree)
    reading = read(replace(tree, entries=watched), path, glob, config.rules)
    if reading is None:
        return None
    seen = tuple(sorted(watched.seen - {path}))
    return Found(path, tree.shown(path), reading.address, reading.asset, reading.diagnostics, seen)


def find_all(tree: Tree, chosen: Chosen, config: Config) -> list[Found]:
    """Read files, on every core where there are many; what is nothing of ours is left out."""
    known = ahead(tree, (path for path, _ in chosen)) if len(chosen) > _FEW and cores() > 1 else None
    if known is None:
        found = (find(tree, path, glob, config) for path, glob in chosen)
        return [each for each in found if each is not None]
    prepare(kinds())  # once, before the processes part
    gc.freeze()
    chunks = [chosen[start : start + _CHUNK] for start in range(0, len(chosen), _CHUNK)]
    with forked(_inherit, known, config) as pool:
        return [each for part in pool.imap(_find_some, chunks) for each in part]


def declare(tree: Tree, found: Iterable[Found]) -> Declared:
    """Put together what files declare."""
    return together(_reading(tree, each) for each in found)


def _reading(tree: Tree, found: Found) -> Reading:
    def load() -> Document:
        return parse(found.shown, tree.file(found.path))[0]

    return Reading(found.path, _Unread(found.shown, load), None, found.asset, found.diagnostics, found.address)


def _handed_over(cls: type[Any]) -> None:
    """Let values of a class go from one process to another by their fields, which takes a third of the time."""
    names = [each.name for each in fields(cls)]
    copyreg.pickle(cls, lambda value: (cls, tuple(getattr(value, name) for name in names)))


for _cls in (Found, Asset, Address, Reference, LocalPath):
    _handed_over(_cls)


_PARENT: list[tuple[Tree, Config]] = []  # what a forked process reads from; set once, when it begins


def _inherit(known: Ahead, config: Config) -> None:
    gc.disable()  # the process lives for a moment, and what it makes refers to nothing in a circle
    _PARENT.append((known.opened(), config))


def _find_some(chosen: Chosen) -> list[Found]:
    tree, config = _PARENT[0]
    found = (find(tree, path, glob, config) for path, glob in chosen)
    return [each for each in found if each is not None]
