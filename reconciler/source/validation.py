"""Validate many files on disk: parse those that the local cache does not know, then check between files.

The parser (``source.parse``) is imported by name, with the first file that the cache does not know.
"""

from __future__ import annotations

import importlib
import json
import posixpath
import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from reconciler.config.config import CONFIG_FILE, parse_config
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.data_references import DEFAULT_DATASTORE_ADDRESSES
from reconciler.format.detect import resembling_kind
from reconciler.format.document import Document
from reconciler.format.include import ANY_FILE, IncludeGlob
from reconciler.format.workspace_rules import MAX_SUGGESTIONS, dangling_reference_diagnostic
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING, Address
from reconciler.source.cache import Cache, select_in
from reconciler.source.dependencies import DependencyChecker, SourceFiles
from reconciler.source.disk import DiskFiles
from reconciler.source.gc_pause import pause_gc
from reconciler.source.parsed_file import DECODE_ERRORS, ParsedFile, decode_parsed_file, encode_parsed_file

_INSERT = "INSERT OR REPLACE INTO parsed_files VALUES (?, ?)"
_encode_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking files: how many are assets, and everything that is wrong in them.

    ``unknown_count`` is the number of files that were named and whose kind is not known. ``is_support_checked`` is
    False if no mlgit.yml says which providers to ask what they support.
    """

    file_count: int
    diagnostics: tuple[Diagnostic, ...]
    unknown_count: int = 0
    is_support_checked: bool = True


def check_files(  # noqa: PLR0913 - what is checked, and as what
    files: DiskFiles,
    paths: Sequence[str],
    cache: Cache | None,
    *,
    named: Container[str] = frozenset(),
    globs: Mapping[str, IncludeGlob] = EMPTY_MAPPING,
    across_files: bool = True,
) -> CheckResult:
    """Check files, each by itself and, with ``across_files``, together.

    Of the ``named`` files those are reported whose kind is not known; others, which were found in folders, are passed
    over. ``globs`` are those that include the files in a workspace.
    """
    with pause_gc():
        parsed_files = _parse_with_cache(files, paths, cache, globs)
    assets = [parsed_files[path] for path in paths if parsed_files[path].is_asset]
    diagnostics = [diagnostic for parsed in assets for diagnostic in parsed.diagnostics]
    diagnostics += _check_references(assets) if across_files else ()
    others = [path for path in paths if path in named and not parsed_files[path].is_asset]
    configs = [path for path in others if posixpath.basename(path) == CONFIG_FILE]
    diagnostics += [diagnostic for path in configs for diagnostic in parse_config(_parse_yaml(files, path))[1]]
    unknown = [unknown_file_note(files, path) for path in others if path not in configs]
    unique = dict.fromkeys((*diagnostics, *unknown))  # two files may include the same third one
    return CheckResult(len(assets) + len(configs), tuple(unique), len(unknown), not (across_files and assets))


def unknown_file_note(files: SourceFiles, path: str) -> Diagnostic:
    """Return the note on a file that was named and that is not an asset."""
    kind = resembling_kind(_parse_yaml(files, path).data)
    hint = "add $schema: at its top if it is an asset" + (f"; its keys resemble those of a {kind.name}" if kind else "")
    message = "the kind of this file is not known, so it is not checked"
    return Diagnostic("kind-unknown", message, Span(files.display_path(path)), hint, Severity.NOTE)


def _parse_yaml(files: SourceFiles, path: str) -> Document:
    return parse_yaml(files.display_path(path), files.read_file(path))[0]


def _parse_with_cache(
    files: DiskFiles, paths: Sequence[str], cache: Cache | None, globs: Mapping[str, IncludeGlob]
) -> Mapping[str, ParsedFile]:
    """Return the parsed files by path; remember those that are new or have newer stamps.

    A file whose name is not UTF-8, or whose glob decides what it is, is not remembered.
    """
    cacheable = [path for path in paths if files.display_path(path) == path and _is_any_file(globs.get(path), path)]
    remembered = dict(_load_parsed_files(files, cacheable, cache)) if cache else {}
    checker = DependencyChecker(files)
    current: dict[str, ParsedFile] = {}
    for path, parsed in remembered.items():
        deps = checker.revalidate(parsed.deps)
        if deps is not None:
            current[path] = parsed if deps is parsed.deps else parsed._replace(deps=deps)
    missing = [(path, globs.get(path, ANY_FILE)) for path in paths if path not in current]
    if missing:
        parse = importlib.import_module("reconciler.source.parse")
        current |= {parsed.path: parsed for parsed in parse.parse_files(files, missing, EMPTY_MAPPING, lambda _: files)}
    changed = [current[path] for path in cacheable if remembered.get(path) is not current[path]]
    if cache and changed:
        rows = [(parsed.path, _encode_json(encode_parsed_file(parsed))) for parsed in changed]
        cache.write(lambda database: database.executemany(_INSERT, rows))
    return current


def _load_parsed_files(files: DiskFiles, paths: Sequence[str], cache: Cache) -> Iterator[tuple[str, ParsedFile]]:
    """Yield what the cache has of files; entries that cannot be decoded are skipped."""
    database = cache.open()
    if database is None:
        return
    with suppress(sqlite3.Error), closing(database):
        for path, value in select_in(database, "SELECT path, value FROM parsed_files WHERE path IN", paths):
            with suppress(*DECODE_ERRORS):
                yield path, decode_parsed_file(json.loads(value), files.display_path(path))


def _is_any_file(glob: IncludeGlob | None, path: str) -> bool:
    """Return True if a glob says nothing about what a file is."""
    return glob is None or not (glob.kind or glob.is_literal_match(path))


def _check_references(parsed_files: Sequence[ParsedFile]) -> Iterator[Diagnostic]:
    """Yield the references to addresses that none of the files declares."""
    declared = dict.fromkeys(address for parsed in parsed_files for address in parsed.addresses)
    given = DEFAULT_DATASTORE_ADDRESSES
    dangling: dict[Address, list[tuple[str, Span]]] = {}
    for reference in (reference for parsed in parsed_files for reference in parsed.references):
        if reference.address not in declared and reference.span and reference.address not in given:
            dangling.setdefault(reference.address, []).append((reference.text, reference.span))
    for index, (address, uses) in enumerate(dangling.items()):
        yield dangling_reference_diagnostic(address, uses, (*declared, *given) if index < MAX_SUGGESTIONS else ())
