"""The assets of a tree in which options (``--set``) give one file other values than those that are written in it."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.assets import AssetSet
from reconciler.format.load import load_asset_file
from reconciler.format.overridden_document import name_options, override_document
from reconciler.model import Tree
from reconciler.source.assets import find_candidates, parse_asset_files
from reconciler.source.cache import Cache


class FileOverrides(NamedTuple):
    """The options ``PATH=VALUE`` for the file at a path from the top of the repository."""

    path: str
    options: tuple[str, ...]


def read_overridden_asset_set(tree: Tree, config: Config, cache: Cache | None, overrides: FileOverrides) -> AssetSet:
    """Return the assets that a tree declares if one file has the values of options."""
    ((_, glob),) = find_candidates(tree, config, cache, among=[overrides.path])
    override = partial(override_document, options=overrides.options)
    overridden = load_asset_file(tree, overrides.path, glob, config.rules, override)
    if overridden is not None and overridden.diagnostics:
        unchanged = load_asset_file(tree, overrides.path, glob, config.rules)
        known = unchanged.diagnostics if unchanged else ()
        overridden = overridden._replace(diagnostics=name_options(overridden.diagnostics, known, overrides.options))
    return parse_asset_files(tree, config, cache, overridden)[0]
