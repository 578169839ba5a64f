"""A dependency index as lines of JSON, for clones that have none yet: its key, then one line for each file.

It comes from another machine, by way of the live state, so everything in it is checked.
"""

from __future__ import annotations

import json
import re

from reconciler.model import Json, parse_address
from reconciler.source.index import CacheKey, IndexContents, IndexEntry
from reconciler.source.parsed_file import DECODE_ERRORS, decode_parsed_file, encode_parsed_file

_MAX_LEVEL = 2**31  # levels of the graph
_OID_PATTERN = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_encode_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def dump_index(contents: IndexContents) -> bytes:
    """Write an index; equal contents give the same bytes on every machine."""
    key = contents.cache_key
    undeclared = sorted(map(str, contents.undeclared))
    header = [key.settings_key, key.tree, key.state_tree, key.nested_workspaces, undeclared]
    entries = sorted(contents.entries, key=lambda entry: entry.parsed.path)
    rows = ([entry.level, entry.clean, encode_parsed_file(entry.parsed)] for entry in entries)
    return "".join(f"{_encode_json(row)}\n" for row in (header, *rows)).encode()


def load_index_key(raw: bytes) -> CacheKey | None:
    """Read the key of an index that `dump_index` wrote; None if it is something else."""
    try:
        settings, tree, state, nested, _ = json.loads(raw.partition(b"\n")[0])
        return CacheKey(_check_text(settings), _check_oid(tree), _check_oid(state), tuple(map(_check_folder, nested)))
    except DECODE_ERRORS:
        return None


def load_index(raw: bytes) -> IndexContents | None:
    """Read an index that `dump_index` wrote; None if it is something else."""
    key = load_index_key(raw)
    if key is None:
        return None
    try:
        header, *lines = raw.decode().splitlines()
        undeclared = [parse_address(_check_text(address)) for address in json.loads(header)[-1]]
        return IndexContents(key, [_decode_entry(*json.loads(line)) for line in lines], undeclared)
    except DECODE_ERRORS:
        return None


def _decode_entry(level: Json, clean: Json, parsed: Json) -> IndexEntry:
    if type(level) is not int or type(clean) is not bool or not 0 <= level < _MAX_LEVEL:
        raise TypeError(level, clean)
    return IndexEntry(decode_parsed_file(parsed), level, clean)


def _check_oid(value: Json) -> str:
    """Return the id of a Git object; it is passed to Git, so it must not be an option."""
    if not _OID_PATTERN.fullmatch(_check_text(value)):
        raise ValueError(value)
    return str(value)


def _check_folder(value: Json) -> str:
    if not _check_text(value).endswith("/"):
        raise ValueError(value)
    return str(value)


def _check_text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
