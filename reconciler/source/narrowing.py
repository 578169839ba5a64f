"""The part of a workspace that a plan must look at, found from what has changed since the last one.

Where it is not sure that a part will do, there is none: then everything is read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.format.assets import Declared
from reconciler.format.behind import legible
from reconciler.format.config import FILE, Config
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import LINK, MODULE, Address, Tree
from reconciler.planning.graph import Stands, levels
from reconciler.planning.scope import closure
from reconciler.source.declaring import Found, declare, find_all
from reconciler.source.index import Index, Row
from reconciler.source.workspace import candidates

_SHARE = 0.5  # of all files: beyond it, asking what follows costs more than it saves


@dataclass(frozen=True, slots=True)
class Narrow:
    """A part: what its files declare, the files that were looked at, there or gone, and the addresses in question."""

    declared: Declared
    found: tuple[Found, ...]
    looked_at: AbstractSet[str]
    addresses: AbstractSet[Address]
    settled: Mapping[Address, int]


@dataclass(frozen=True, slots=True)
class _Outside(Mapping[Address, int]):
    """What the index knows, without the addresses in question."""

    index: Index
    addresses: AbstractSet[Address]

    def __getitem__(self, address: Address) -> int:
        if address in self.addresses:
            raise KeyError(address)
        return self.index[address]

    def __iter__(self) -> Iterator[Address]:
        return (each for each in self.index if each not in self.addresses)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def narrow(repository: Repository, tree: Tree, config: Config, index: Index, moved: Iterable[Address]) -> Narrow | None:
    """Return the part to look at, None where it is the whole. ``moved`` are addresses whose records have changed."""
    changed = _changed(repository, index, tree)
    if changed is None:
        return None
    named = {each for rename in config.moved for each in (rename.old, rename.new)}
    asked = {*moved, *index.loose(), *named}
    seeds = {*changed, *index.readers(changed), *index.unsettled(), *index.declaring(asked)}
    if len(seeds) > max(100, _SHARE * len(index)):
        return None
    found = _read(tree, config, index, seeds)
    asked |= index.declared(seeds) | {each.address for each in found if each.address}
    addresses, files = closure(asked, index.dependents)
    found += _read(tree, config, index, files - seeds)
    looked_at = seeds | files
    if _clash(found, index, looked_at):
        return None
    others = (Found(path, path, None, None, said) for path, said in index.diagnosed() if path not in looked_at)
    declared = declare(tree, sorted([*found, *others], key=lambda each: each.path))
    return Narrow(declared, tuple(found), looked_at, addresses, _Outside(index, addresses))


def _changed(repository: Repository, index: Index, tree: Tree) -> set[str] | None:
    """Return the paths that differ; None where one of them may change what all the others mean."""
    try:
        modes = trees.modes(repository, index.base.tree, tree.oid)
    except trees.MissingObjectError:
        return None
    everywhere = any(posixpath.basename(path) == FILE for path in modes)
    linked = any(mode in (LINK, MODULE) for pair in modes.values() for mode in pair)
    unnamed = any(legible(path) != path for path in modes)
    return None if everywhere or linked or unnamed else set(modes)


def _read(tree: Tree, config: Config, index: Index, paths: Iterable[str]) -> list[Found]:
    there = (each for each in paths if each in tree.entries)
    inside = [each for each in there if not each.startswith(index.base.nested)]
    return find_all(tree, list(candidates(tree, config, inside)), config)


def _clash(found: Iterable[Found], index: Index, looked_at: AbstractSet[str]) -> bool:
    """Tell whether another file declares what one of these does, capitals aside."""
    return not index.alike(each.address for each in found if each.address) <= looked_at


def rows(
    found: Iterable[Found],
    declared: Declared,
    quiet: AbstractSet[Address],
    outside: Mapping[Address, int],
    stands: Stands,
) -> list[Row]:
    """Return what is to be remembered of files that were read; ``quiet`` is what is settled now."""
    level = levels(declared.assets, outside, stands)
    return [_row(each, level, quiet) for each in found]


def _row(found: Found, level: Mapping[Address, int], quiet: AbstractSet[Address]) -> Row:
    uses = tuple(each.address for each in found.asset.references) if found.asset else ()
    address = found.address if found.asset else None
    settled = address is None or address in quiet
    height = level[address] if address else 0
    return Row(found.path, address, height, settled, uses, found.seen, found.diagnostics)
