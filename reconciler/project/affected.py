"""The part of a workspace that a plan must look at, found from what has changed since the last one.

Where it is not sure that a part will do, there is none: then everything is read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.format.assets import AssetSet
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, Address, Overlay, Tree
from reconciler.planning.graph import ExistenceCheck, graph_levels
from reconciler.planning.subset import downstream_closure
from reconciler.source.index import DependencyIndex, IndexEntry
from reconciler.source.parse import ParsedFile, assemble_asset_set, parse_files
from reconciler.source.workspace import find_candidates

_MAX_AFFECTED_SHARE = 0.5  # of all files: beyond it, asking what follows costs more than it saves


@dataclass(frozen=True, slots=True)
class AffectedSet:
    """A part: what its files declare, the files that were looked at, there or gone, and the addresses in question."""

    asset_set: AssetSet
    parsed_files: tuple[ParsedFile, ...]
    checked_paths: AbstractSet[str]
    addresses: AbstractSet[Address]
    clean: Mapping[Address, int]


def find_affected(
    repository: Repository, tree: Tree, config: Config, index: DependencyIndex, moved: Iterable[Address]
) -> AffectedSet | None:
    """Return the part to look at, None where it is the whole. ``moved`` are addresses whose records have changed."""
    changed = _changed_paths(repository, index, tree)
    if changed is None:
        return None
    named = {address for rename in config.moved for address in (rename.old, rename.new)}
    asked = {*moved, *index.undeclared(), *named}
    seeds = {*changed, *index.files_depending_on(changed), *index.dirty_files(), *index.files_declaring(asked)}
    if len(seeds) > max(100, _MAX_AFFECTED_SHARE * len(index)):
        return None
    found = _parse_candidates(tree, config, index, seeds)
    asked |= index.addresses_declared_in(seeds) | {parsed_file.address for parsed_file in found if parsed_file.address}
    addresses, files = downstream_closure(asked, index.dependents)
    found += _parse_candidates(tree, config, index, files - seeds)
    looked_at = seeds | files
    if _has_clash(found, index, looked_at):
        return None
    others = (
        ParsedFile(path, path, None, None, said)
        for path, said in index.files_with_diagnostics()
        if path not in looked_at
    )
    declared = assemble_asset_set(tree, sorted([*found, *others], key=lambda each: each.path))
    return AffectedSet(declared, tuple(found), looked_at, addresses, Overlay(index, {}, addresses))


def _changed_paths(repository: Repository, index: DependencyIndex, tree: Tree) -> set[str] | None:
    """Return the paths that differ; None where one of them may change what all the others mean."""
    try:
        modes = trees.changed_modes(repository, index.base.tree, tree.oid)
    except trees.MissingObjectError:
        return None
    everywhere = any(posixpath.basename(path) == CONFIG_FILE for path in modes)
    linked = any(mode in (SYMLINK_MODE, SUBMODULE_MODE) for pair in modes.values() for mode in pair)
    unnamed = any(replace_invalid_utf8(path) != path for path in modes)
    return None if everywhere or linked or unnamed else set(modes)


def _parse_candidates(tree: Tree, config: Config, index: DependencyIndex, paths: Iterable[str]) -> list[ParsedFile]:
    there = (path for path in paths if path in tree.entries)
    inside = [each for each in there if not each.startswith(index.base.nested_workspaces)]
    return parse_files(tree, list(find_candidates(tree, config, inside)), config)


def _has_clash(found: Iterable[ParsedFile], index: DependencyIndex, looked_at: AbstractSet[str]) -> bool:
    """Tell whether another file declares what one of these does, capitals aside."""
    return (
        not index.files_declaring_ignoring_case(parsed_file.address for parsed_file in found if parsed_file.address)
        <= looked_at
    )


def make_index_entries(
    found: Iterable[ParsedFile],
    declared: AssetSet,
    quiet: AbstractSet[Address],
    outside: Mapping[Address, int],
    stands: ExistenceCheck,
) -> list[IndexEntry]:
    """Return what is to be remembered of files that were read; ``quiet`` is what is settled now."""
    level = graph_levels(declared.assets, outside, stands)
    return [_make_index_entry(parsed_file, level, quiet) for parsed_file in found]


def _make_index_entry(found: ParsedFile, level: Mapping[Address, int], quiet: AbstractSet[Address]) -> IndexEntry:
    uses = tuple(reference.address for reference in found.asset.references) if found.asset else ()
    address = found.address if found.asset else None
    settled = address is None or address in quiet
    height = level[address] if address else 0
    return IndexEntry(found.path, address, height, settled, uses, found.deps, found.diagnostics)
