"""Parse the files of a Git tree; those that the local cache knows, with all that they depend on, are not parsed.

The parser (``source.parse``) is imported by name, with the first file that the cache does not know.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress

from reconciler.format.include import IncludeGlob
from reconciler.git.lazy_tree import prefetch_tree
from reconciler.model import Tree
from reconciler.source.cache import Cache, select_in
from reconciler.source.dependencies import TreeFingerprints
from reconciler.source.parsed_file import (
    DECODE_ERRORS,
    ParsedFile,
    decode_asset,
    decode_parsed_file,
    encode_asset,
    encode_parsed_file,
)

Candidates = Sequence[tuple[str, IncludeGlob]]

_INSERT = "INSERT OR REPLACE INTO parsed_files VALUES (?, ?)"
_SELECT = "SELECT path, value FROM parsed_files WHERE path IN"
_encode_json = json.JSONEncoder(separators=(",", ":")).encode


def parse_tree_files(
    tree: Tree, candidates: Candidates, rules: Mapping[str, str], cache: Cache | None
) -> list[ParsedFile]:
    """Return the parsed files, in the given order. ``rules`` are the severities that mlgit.yml sets."""
    fingerprints = TreeFingerprints(tree)
    keys = _cache_keys(tree, candidates, rules)
    parsed_files = dict(_load_unchanged(cache, tree, keys, fingerprints)) if cache else {}
    missing = [(path, glob) for path, glob in candidates if path not in parsed_files]
    if missing:
        parse = importlib.import_module("reconciler.source.parse")
        new: list[ParsedFile] = parse.parse_files(tree, missing, rules, lambda paths: prefetch_tree(tree, paths))
        parsed_files |= {parsed.path: parsed for parsed in new}
        if cache:
            rows = ((keys[parsed.path], _encode(parsed, fingerprints)) for parsed in new)
            cache.write(lambda database: database.executemany(_INSERT, rows))
    return [parsed_files[path] for path, _ in candidates]


def _cache_keys(tree: Tree, candidates: Candidates, rules: Mapping[str, str]) -> Mapping[str, str]:
    """Return the key of each file in the cache: its path, and what mlgit.yml says of it."""
    settings = {
        glob: hashlib.sha256(json.dumps([tree.root, list(glob), sorted(rules.items())]).encode()).hexdigest()[:16]
        for glob in {glob for _, glob in candidates}
    }
    return {path: f"{settings[glob]} {path}" for path, glob in candidates}


def _load_unchanged(
    cache: Cache, tree: Tree, keys: Mapping[str, str], fingerprints: TreeFingerprints
) -> Iterator[tuple[str, ParsedFile]]:
    """Yield the files whose dependencies are as they were; entries that cannot be decoded are skipped."""
    database = cache.open()
    if database is None:
        return
    with suppress(sqlite3.Error), closing(database):
        for key, value in select_in(database, _SELECT, keys.values()):
            path = key.partition(" ")[2]
            with suppress(*DECODE_ERRORS):
                recorded, parsed_json, asset_json, faulty_json = json.loads(value)
                if fingerprints.of_paths(recorded) == recorded:
                    parsed = decode_parsed_file(parsed_json, tree.display_path(path))
                    yield path, parsed._replace(asset=decode_asset(asset_json), faulty=decode_asset(faulty_json))


def _encode(parsed: ParsedFile, fingerprints: TreeFingerprints) -> str:
    """Write a parsed file with the fingerprints of itself and of its dependencies."""
    recorded = fingerprints.of_paths([parsed.path, *parsed.deps])
    assets = (encode_asset(parsed.asset), encode_asset(parsed.faulty))
    return _encode_json([recorded, encode_parsed_file(parsed), *assets])
