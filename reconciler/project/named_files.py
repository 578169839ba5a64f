"""Check files by name, as editors and Git hooks do: each against the workspace that it is in, on disk and without Git.

Only the named files are checked, and of the others only what they refer to is read; their addresses are remembered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.config.config import CONFIG_FILE, Config, lenient_config, parse_config
from reconciler.config.targets import DEFAULT_TARGET, document_for_target
from reconciler.diagnostics import Diagnostic, Span, has_errors, within_paths
from reconciler.format.assets import AssetSet, LoadedFile, build_asset_set
from reconciler.format.document import Document
from reconciler.format.include import ANY_FILE, IncludeGlob
from reconciler.format.load import load_declaration
from reconciler.format.output_assets import assets_of_outputs
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address
from reconciler.planning.file_checks import check_files_together, check_recorded_only, sort_diagnostics
from reconciler.project.policy_files import policy_diagnostics_on_disk
from reconciler.project.provider_checks import provider_diagnostics
from reconciler.project.support import support_diagnostics
from reconciler.source.cache import Cache
from reconciler.source.config_cache import find_config
from reconciler.source.discovery import find_workspace_of_file
from reconciler.source.disk import DiskFiles
from reconciler.source.disk_workspace import DiskWorkspace, open_disk_workspace
from reconciler.source.policy_files import is_policy_file
from reconciler.source.validation import CheckResult, check_files


def check_named_files(
    files: DiskFiles,
    paths: Sequence[str],
    named: Container[str],
    find_cache: Callable[[Path], Cache | None],
    target: str = DEFAULT_TARGET,
) -> CheckResult:
    """Check files that are given by their path from the folder of ``files``, each against its own workspace.

    Of the ``named`` ones those are reported whose kind is not known.
    """
    by_folder: dict[Path | None, list[str]] = {}
    policies: dict[Path, dict[str, str]] = {}
    for path in paths:
        folder = find_workspace_of_file(files.top / path)
        own = _absolute_path(files.top, path).relative_to(folder).as_posix() if folder else ""
        if folder and is_policy_file(own):
            policies.setdefault(folder, {})[own] = path
        else:
            by_folder.setdefault(folder, []).append(path)
    results = [_check_policies(files, folder, own_paths) for folder, own_paths in policies.items()]
    results += [
        _check_in_workspace(files, own, named, find_cache, folder, target)
        if folder
        else check_files(files, own, find_cache(files.top), named=named)
        for folder, own in by_folder.items()
    ]
    diagnostics = dict.fromkeys(diagnostic for result in results for diagnostic in result.diagnostics)
    file_count, unknown_count = (sum(counts) for counts in zip(*map(_counts_of, results), strict=True))
    return CheckResult(file_count, tuple(diagnostics), unknown_count, all(item.is_support_checked for item in results))


def _check_policies(files: DiskFiles, folder: Path, own_paths: Mapping[str, str]) -> CheckResult:
    """Check policy files of one workspace, with its other ones; the diagnostics have the paths as they were given."""
    held = {own: files.in_memory_files[given] for own, given in own_paths.items() if given in files.in_memory_files}
    found = (
        _with_given_paths(diagnostic, own_paths)
        for diagnostic in policy_diagnostics_on_disk(DiskFiles(folder, held), tuple(own_paths))
    )
    return CheckResult(len(own_paths), tuple(diagnostic for diagnostic in found if diagnostic))


def _counts_of(result: CheckResult) -> tuple[int, int]:
    return result.file_count, result.unknown_count


def _absolute_path(top: Path, path: str) -> Path:
    return Path(os.path.normpath(top / path))


def _check_in_workspace(  # noqa: PLR0913, PLR0917 - the files, and the workspace that they are in
    files: DiskFiles,
    paths: Sequence[str],
    named: Container[str],
    find_cache: Callable[[Path], Cache | None],
    folder: Path,
    target: str,
) -> CheckResult:
    """Check files of one workspace; the diagnostics have the paths as they were given."""
    cache = find_cache(folder)
    config, config_diagnostics = _read_config(folder, cache, target)
    workspace = open_disk_workspace(folder, config, cache)
    own_paths = {_absolute_path(files.top, path).relative_to(folder).as_posix(): path for path in paths}
    globs = {given: workspace.globs.get(own, ANY_FILE) for own, given in own_paths.items()}
    result = check_files(files, paths, find_cache(files.top), named=named, globs=globs, across_files=False)
    diagnostics = apply_severity_overrides(result.diagnostics, config.rules)
    faulty = {diagnostic.span.path for diagnostic in diagnostics if diagnostic.span and has_errors([diagnostic])}
    declared = _load_declared(workspace, own_paths, files.in_memory_files, faulty, cache)
    together = check_files_together(declared, config, None)
    own = (
        given
        for diagnostic in (*config_diagnostics, *together, *check_recorded_only(declared))
        if (given := _with_given_paths(diagnostic, own_paths))
    )
    configs = [config, *(_read_config(folder, cache, name)[0] for name in config.targets if name != config.target)]
    assets = [asset for asset in declared.assets.values() if asset.source in own_paths]
    supported = (
        _with_path_from(files.top, folder, diagnostic, own_paths)
        for diagnostic in support_diagnostics(declared, assets, configs, cache, reported=together)
    )
    overridden = apply_severity_overrides((*own, *supported), config.rules)
    return replace(result, diagnostics=sort_diagnostics([*diagnostics, *overridden]))


def _with_path_from(top: Path, folder: Path, diagnostic: Diagnostic, own_paths: Mapping[str, str]) -> Diagnostic:
    """Return a diagnostic whose position may be in a file that a named one refers to."""
    if diagnostic.span is None:
        return diagnostic
    path = diagnostic.span.path
    given = own_paths.get(path) or os.path.relpath(folder / path, top)
    return diagnostic._replace(span=replace(diagnostic.span, path=given))


def _read_config(folder: Path, cache: Cache | None, target: str) -> tuple[Config, tuple[Diagnostic, ...]]:
    """Return the settings of a workspace, as far as they are valid, and what is wrong in mlgit.yml."""
    files = DiskFiles(folder, {})
    if problem := files.path_problem(CONFIG_FILE, must_be_file=True):
        unusable = Diagnostic(problem.code, str(problem), Span(CONFIG_FILE), problem.hint)
        return lenient_config(Document(CONFIG_FILE, None)), (unusable,)
    raw = files.read_file(CONFIG_FILE)
    if cache and (cached := find_config(cache, raw, target)):
        return cached.config, ()
    document, unreadable = parse_yaml(CONFIG_FILE, raw)
    config, diagnostics = parse_config(document, target)
    if config is not None:
        diagnostics = (*diagnostics, *_check_providers(document, config))
    return config or lenient_config(document), (*unreadable, *diagnostics)


def _check_providers(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield what is wrong with the providers of all targets, each once."""
    diagnostics: dict[Diagnostic, None] = {}
    for name in config.targets:
        own, _ = parse_config(document, name)
        if own is not None:
            diagnostics |= dict.fromkeys(provider_diagnostics(document_for_target(document, name), own))
    yield from diagnostics


def _load_declared(
    workspace: DiskWorkspace,
    own_paths: Mapping[str, str],
    in_memory_files: Mapping[str, bytes],
    faulty: Container[str],
    cache: Cache | None,
) -> AssetSet:
    """Return what files of a workspace declare, and what of the others is needed to check them."""
    addresses = workspace.read_addresses(cache)
    held = {own: in_memory_files[given] for own, given in own_paths.items() if given in in_memory_files}
    files = replace(workspace.files, in_memory_files=held)
    loaded = _load_with_dependencies(files, workspace.globs, own_paths, addresses.by_path)
    for own, given in own_paths.items():
        if own in loaded and given in faulty:
            loaded[own] = loaded[own]._replace(asset=None, faulty=loaded[own].asset)
    declared = build_asset_set((loaded[path] for path in sorted(loaded)), files)
    unreadable = declared.unreadable_names | addresses.unreadable_names
    return declared._replace(unreadable_names=unreadable, known=frozenset().union(*addresses.by_path.values()))


def _with_given_paths(diagnostic: Diagnostic, own_paths: Mapping[str, str]) -> Diagnostic | None:
    """Return a diagnostic with its positions in the named files, by their paths as given; None if it has none."""
    restricted = within_paths(diagnostic, own_paths.__contains__)
    if restricted is None or restricted.span is None:
        return None
    span, *places = (replace(place, path=own_paths[place.path]) for place in (restricted.span, *restricted.places))
    return restricted._replace(span=span, places=tuple(places))


def _load_with_dependencies(
    files: DiskFiles, globs: Mapping[str, IncludeGlob], paths: Iterable[str], declared: Mapping[str, Iterable[Address]]
) -> dict[str, LoadedFile]:
    """Return what files declare, with all that they refer to and all that declares the same."""
    by_address: dict[str, list[str]] = {}
    for path, addresses in declared.items():
        for address in addresses:
            by_address.setdefault(str(address).casefold(), []).append(path)
    loaded: dict[str, LoadedFile] = {}
    pending = list(paths)
    visited = set(pending)
    while pending:
        path = pending.pop()
        file = load_declaration(files, path, globs.get(path, ANY_FILE)) if files.exists(path) else None
        if file is None or file.asset is None:
            continue
        loaded[path] = file
        is_alone = path not in globs  # not a file of the workspace, such as standard input: it may replace one
        needed = [] if is_alone else [file.asset.address, *(asset.address for asset in assets_of_outputs(file.asset))]
        needed += [reference.address for reference in file.asset.references]
        others = {other for address in needed for other in by_address.get(str(address).casefold(), ())} - visited
        visited |= others
        pending += others
    return loaded
