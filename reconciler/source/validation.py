"""Validate many files on disk: parse those that the local cache does not know, then check between files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.include import ANY_FILE
from reconciler.format.workspace_rules import duplicate_address_diagnostic, unknown_reference_diagnostic
from reconciler.model import EMPTY_MAPPING, Address
from reconciler.source.cache import Cache, select_in
from reconciler.source.dependencies import DependencyChecker
from reconciler.source.disk import DiskFiles
from reconciler.source.gc_pause import pause_gc
from reconciler.source.parse import parse_files
from reconciler.source.parsed_file import DECODE_ERRORS, ParsedFile, decode_parsed_file, encode_parsed_file

_MAX_SUGGESTIONS = 20  # dangling references for which a similar name is searched, which takes long

_INSERT = "INSERT OR REPLACE INTO parsed_files VALUES (?, ?)"
_encode_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking files: how many are assets, and everything that is wrong in them."""

    file_count: int
    diagnostics: tuple[Diagnostic, ...]


def check_files(files: DiskFiles, paths: Sequence[str], cache: Cache | None, *, one_workspace: bool) -> CheckResult:
    """Check files, each by itself and then together.

    With ``one_workspace`` an address that two of them declare is an error.
    """
    with pause_gc():
        parsed_files = _parse_with_cache(files, paths, cache)
    assets = [parsed_files[path] for path in paths if parsed_files[path].is_asset]
    diagnostics = [diagnostic for parsed in assets for diagnostic in parsed.diagnostics]
    diagnostics += _check_across_files(assets, one_workspace=one_workspace)
    return CheckResult(len(assets), tuple(dict.fromkeys(diagnostics)))  # two files may include the same third one


def _parse_with_cache(files: DiskFiles, paths: Sequence[str], cache: Cache | None) -> Mapping[str, ParsedFile]:
    """Return the parsed files by path; remember those that are new or have newer stamps."""
    cacheable = [path for path in paths if files.display_path(path) == path]  # those that are valid UTF-8
    remembered = dict(_load_parsed_files(files, cacheable, cache)) if cache else {}
    checker = DependencyChecker(files)
    current: dict[str, ParsedFile] = {}
    for path, parsed in remembered.items():
        deps = checker.revalidate(parsed.deps)
        if deps is not None:
            current[path] = parsed if deps is parsed.deps else replace(parsed, deps=deps)
    missing = [(path, ANY_FILE) for path in paths if path not in current]
    current |= {parsed.path: parsed for parsed in parse_files(files, missing, EMPTY_MAPPING, lambda _: files)}
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


def _check_across_files(parsed_files: Sequence[ParsedFile], *, one_workspace: bool) -> Iterator[Diagnostic]:
    """Yield addresses that are declared twice, and references to addresses that none of the files declares."""
    declared: dict[Address, ParsedFile] = {}
    for parsed in parsed_files:
        if parsed.address is not None:
            first = declared.setdefault(parsed.address, parsed)
            if first is not parsed and one_workspace:
                yield duplicate_address_diagnostic(Span(parsed.path), parsed.address, first.path)
    suggested = 0
    for reference in (reference for parsed in parsed_files for reference in parsed.references):
        if reference.address not in declared and reference.span:
            suggested += 1
            names = declared if suggested <= _MAX_SUGGESTIONS else ()
            yield unknown_reference_diagnostic(reference.text, reference.address, reference.span, names)
