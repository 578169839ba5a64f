"""The assets that a tree declares: the files that mlgit.yml includes, parsed and put together."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.assets import AssetSet, LoadedFile
from reconciler.format.include import IncludeGlob
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.format.references import bind_environment
from reconciler.model import LOCK_POINTER, LocalPath, Tree
from reconciler.source.asset_set import assemble_asset_set
from reconciler.source.cache import Cache
from reconciler.source.cached_parse import parse_tree_files
from reconciler.source.disk import YAML_SUFFIXES
from reconciler.source.globs import load_file_globs
from reconciler.source.parsed_file import ParsedFile, ParsedReference
from reconciler.source.policy_files import is_policy_file


def read_asset_set(tree: Tree, config: Config, cache: Cache | None = None) -> AssetSet:
    """Return the assets that a tree declares."""
    return parse_asset_files(tree, config, cache)[0]


def parse_asset_files(
    tree: Tree, config: Config, cache: Cache | None = None, overridden: LoadedFile | None = None
) -> tuple[AssetSet, Sequence[ParsedFile]]:
    """Return the assets that a tree declares, and the parsed files one by one.

    ``overridden`` counts instead of the file at its path.
    """
    candidates = list(find_candidates(tree, config, cache))
    readable = [(path, glob) for path, glob in candidates if replace_invalid_utf8(path) == path]
    parsed_files = parse_candidates(tree, config, readable, cache)
    asset_set = assemble_asset_set(tree, parsed_files, overridden)
    misnamed = (
        _not_utf8_diagnostic(replace_invalid_utf8(tree.display_path(path)))
        for path, _ in candidates
        if replace_invalid_utf8(path) != path
    )
    return asset_set._replace(diagnostics=(*asset_set.diagnostics, *misnamed)), parsed_files


def parse_candidates(
    tree: Tree, config: Config, candidates: Sequence[tuple[str, IncludeGlob]], cache: Cache | None
) -> list[ParsedFile]:
    """Return those of the files of a tree that are, or are meant to be, assets."""
    parsed_files = (parsed for parsed in parse_tree_files(tree, candidates, config.rules, cache) if parsed.is_asset)
    if config.environments:
        parsed_files = (_with_bound_environment(parsed, config) for parsed in parsed_files)
    if config.locks:
        parsed_files = (_with_lock(parsed, tree, config) for parsed in parsed_files)
    return list(parsed_files)


def _with_lock(parsed: ParsedFile, tree: Tree, config: Config) -> ParsedFile:
    """Return a file whose environment has the lock that mlgit.yml binds to it as one of its paths."""
    lock = config.locks.get(str(parsed.asset.address)) if parsed.asset else None
    if parsed.asset is None or lock is None:
        return parsed
    path = LocalPath(LOCK_POINTER, lock, posixpath.normpath(posixpath.join(tree.root, lock)))
    deps = {**parsed.deps, path.path: ""}
    if path.path not in tree.entries:
        message = f"{parsed.asset.address}: its lock {lock} is not in Git"
        span = config.lock_spans.get(str(parsed.asset.address)) or Span(parsed.display_path)
        missing = Diagnostic("path-missing", message, span, "add the file, or correct locks:")
        return parsed._replace(diagnostics=(*parsed.diagnostics, missing), deps=deps)
    asset = parsed.asset._replace(paths=(*parsed.asset.paths, path))
    return parsed._replace(asset=asset, deps=deps)


def _with_bound_environment(parsed: ParsedFile, config: Config) -> ParsedFile:
    """Return a file whose asset refers to the environment by which mlgit.yml replaces that of a registry."""
    if parsed.asset is None or (asset := bind_environment(parsed.asset, config.environments)) is parsed.asset:
        return parsed
    bound = asset.references[len(parsed.asset.references) :]
    references = (ParsedReference(reference.address) for reference in bound)
    return parsed._replace(asset=asset, references=(*parsed.references, *references))


def _not_utf8_diagnostic(path: str) -> Diagnostic:
    return Diagnostic("path-not-utf8", f"the name of {path} is not UTF-8", Span(path), "give the file another name")


def find_candidates(
    tree: Tree, config: Config, cache: Cache | None = None, among: Iterable[str] | None = None
) -> Iterator[tuple[str, IncludeGlob]]:
    """Yield the files that may be assets, by path, each with the last of the globs that match it.

    ``among`` are the paths to consider, all by default; they must not lie in a workspace inside this one.
    """
    globs = load_file_globs(config, cache)
    nested = tuple(find_nested_roots(tree)) if among is None else ()
    for path in sorted(tree.entries if among is None else among):
        if not path.startswith(tree.root) or path.startswith(nested) or not path.lower().endswith(YAML_SUFFIXES):
            continue
        relative = path.removeprefix(tree.root)
        if relative != CONFIG_FILE and not is_policy_file(relative) and (glob := globs.find_include(relative)):
            yield path, glob


def find_nested_roots(tree: Tree) -> list[str]:
    """Return the folders of the workspaces inside this one, whose files do not belong to this one."""
    suffix = f"/{CONFIG_FILE}"
    roots = [path.removesuffix(CONFIG_FILE) for path in tree.entries if path.endswith(suffix)]
    return [root for root in roots if root.startswith(tree.root) and root != tree.root]
