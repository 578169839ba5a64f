"""The assets of a tree in which options (``--set``) give one file other values than those that are written in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.assets import AssetSet, LoadedFile
from reconciler.format.document import DocumentOverride
from reconciler.format.include import IncludeGlob
from reconciler.format.load import load_asset_file
from reconciler.format.overridden_document import name_options, override_document
from reconciler.format.references import bind_environment
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
    overridden = load_overridden_file(tree, config, overrides.path, glob, options_override(overrides.options))
    return parse_asset_files(tree, config, cache, overridden)[0]


def options_override(options: Sequence[str]) -> DocumentOverride:
    """Return what gives a document the values of options."""
    return partial(override_document, options=options)


def load_overridden_file(
    tree: Tree, config: Config, path: str, glob: IncludeGlob, override: DocumentOverride
) -> LoadedFile | None:
    """Return a file as it is with other values; what is wrong in it only because of them says so."""
    file = load_asset_file(tree, path, glob, config.rules, override)
    if file is None:
        return None
    if file.diagnostics:
        unchanged = load_asset_file(tree, path, glob, config.rules)
        known = unchanged.diagnostics if unchanged else ()
        file = file._replace(diagnostics=name_options(file.diagnostics, known, file.document))
    return file if file.asset is None else file._replace(asset=bind_environment(file.asset, config.environments))
