"""The affected set: the part of a workspace that a plan must look at, computed from what has changed since the last.

If it is not certain that a part is enough, there is no affected set and everything is read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.format.assets import AssetSet
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.git.repository import Repository
from reconciler.git.trees import MissingObjectError, changed_modes
from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, Address, Overlay, Tree
from reconciler.planning.graph import ExistenceCheck, graph_levels
from reconciler.planning.subset import downstream_closure
from reconciler.source.asset_set import assemble_asset_set
from reconciler.source.assets import find_candidates, parse_candidates
from reconciler.source.cache import Cache
from reconciler.source.index import DependencyIndex, IndexEntry
from reconciler.source.parsed_file import ParsedFile
from reconciler.source.workspace import Workspace

_MAX_AFFECTED_SHARE = 0.5  # of all files; beyond it, computing what is affected costs more than it saves
_MIN_AFFECTED_LIMIT = 100  # files that may always be affected


class AffectedSet(NamedTuple):
    """The files that were looked at, whether they exist or not, what they declare, and the affected addresses.

    ``clean`` has the level in the graph of each address that is not affected.
    """

    asset_set: AssetSet
    parsed_files: tuple[ParsedFile, ...]
    checked_paths: AbstractSet[str]
    addresses: AbstractSet[Address]
    clean: Mapping[Address, int]


def find_affected(
    workspace: Workspace, tree: Tree, config: Config, index: DependencyIndex, changed_records: Iterable[Address]
) -> AffectedSet | None:
    """Return what is affected by changes of files and of records since an index was made; None if all may be."""
    changed = _changed_paths(workspace.repository, index, tree)
    cache = workspace.cache.read_only()  # the index has it open
    if changed is None:
        return None
    renamed = {address for rename in config.moved for address in (rename.old, rename.new)}
    start = {*changed_records, *index.undeclared(), *renamed}
    seeds = {*changed, *index.files_depending_on(changed), *index.dirty_files(), *index.files_declaring(start)}
    if len(seeds) > max(_MIN_AFFECTED_LIMIT, _MAX_AFFECTED_SHARE * len(index)):
        return None
    parsed_files = _parse_paths(tree, config, index, seeds, cache)
    start |= index.addresses_declared_in(seeds) | {address for parsed in parsed_files for address in parsed.addresses}
    addresses, dependents = downstream_closure(start, index.dependents)
    parsed_files += _parse_paths(tree, config, index, dependents - seeds, cache)
    checked = seeds | dependents
    if _has_clash(parsed_files, index, checked):
        return None
    unaffected = (
        ParsedFile(path, tree.display_path(path), diagnostics=diagnostics)
        for path, diagnostics in index.files_with_diagnostics()
        if path not in checked
    )
    asset_set = assemble_asset_set(tree, sorted([*parsed_files, *unaffected], key=lambda parsed: parsed.path))
    return AffectedSet(asset_set, tuple(parsed_files), checked, addresses, Overlay(index, {}, addresses))


def _changed_paths(repository: Repository, index: DependencyIndex, tree: Tree) -> set[str] | None:
    """Return the paths that differ; None if one of them may change what all others mean.

    That of the workspace's own mlgit.yml does not: an index is used only with the settings that it was made with.
    """
    try:
        modes = changed_modes(repository, index.cache_key.tree, tree.oid)
    except MissingObjectError:
        return None
    nested = (path for path in modes if path != tree.root + CONFIG_FILE)
    has_config = any(posixpath.basename(path) == CONFIG_FILE for path in nested)
    has_link = any(mode in (SYMLINK_MODE, SUBMODULE_MODE) for pair in modes.values() for mode in pair)
    has_invalid_name = any(replace_invalid_utf8(path) != path for path in modes)
    return None if has_config or has_link or has_invalid_name else set(modes)


def _parse_paths(
    tree: Tree, config: Config, index: DependencyIndex, paths: Iterable[str], cache: Cache
) -> list[ParsedFile]:
    nested = index.cache_key.nested_workspaces
    own = [path for path in paths if path in tree.entries and not path.startswith(nested)]
    return parse_candidates(tree, config, list(find_candidates(tree, config, cache, own)), cache)


def _has_clash(parsed_files: Iterable[ParsedFile], index: DependencyIndex, checked: AbstractSet[str]) -> bool:
    """Return True if a file that was not looked at declares the address of one that was, apart from case."""
    addresses = (address for parsed in parsed_files for address in parsed.addresses)
    return not index.files_declaring_ignoring_case(addresses) <= checked


def make_index_entries(
    parsed_files: Iterable[ParsedFile],
    asset_set: AssetSet,
    clean: AbstractSet[Address],
    unaffected: Mapping[Address, int],
    exists: ExistenceCheck,
) -> list[IndexEntry]:
    """Return the index entries of parsed files; a file with errors declares nothing, and is not clean by an asset."""
    levels = graph_levels(asset_set.assets, unaffected, exists)
    return [_make_index_entry(parsed, levels, clean) for parsed in parsed_files]


def _make_index_entry(parsed: ParsedFile, levels: Mapping[Address, int], clean: AbstractSet[Address]) -> IndexEntry:
    address = parsed.address if parsed.asset else None
    entry = parsed._replace(address=address, asset=None, faulty=None)
    return IndexEntry(entry, levels[address] if address else 0, clean >= set(entry.addresses))
