"""An index as lines of text, for a clone that has none yet: what it holds for, then a line for each file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.model import Address, Json, parse_address
from reconciler.source.diagnostics_codec import decode_diagnostic, encode_diagnostic
from reconciler.source.index import CacheKey, IndexEntry

_DECODE_ERRORS = (ValueError, TypeError, RecursionError)  # what reading something else ends in
_MAX_LEVEL = 2**31  # levels, of which there are no more than assets
_OID_PATTERN = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_encode_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class IndexExport:
    """What a plan of everything found out: of each file, and what is live and not declared."""

    cache_key: CacheKey
    entries: Sequence[IndexEntry]
    undeclared: Sequence[Address]


def dump_index_export(found: IndexExport) -> bytes:
    """Write findings, files by their paths: alike for whoever writes them."""
    base = found.cache_key
    first = [
        base.settings_key,
        base.tree,
        base.state_tree,
        list(base.nested_workspaces),
        sorted(map(str, found.undeclared)),
    ]
    rows = (_entry_to_json(entry) for entry in sorted(found.entries, key=lambda entry: entry.path))
    return "".join(f"{_encode_json(row)}\n" for row in (first, *rows)).encode()


def read_export_key(raw: bytes) -> CacheKey | None:
    """Read what findings hold for; None where that is none of ours."""
    try:
        key, tree, state, nested, _ = json.loads(raw.partition(b"\n")[0])
        return CacheKey(_check_text(key), _check_oid(tree), _check_oid(state), tuple(map(_check_folder, nested)))
    except _DECODE_ERRORS:
        return None


def load_index_export(raw: bytes) -> IndexExport | None:
    """Read what `dump` wrote; None where it is nothing of that sort: it comes from another machine."""
    base = read_export_key(raw)
    if base is None:
        return None
    try:
        first, *lines = raw.decode().splitlines()
        loose = [parse_address(_check_text(load)) for load in json.loads(first)[-1]]
        return IndexExport(base, [_entry_from_json(json.loads(line)) for line in lines], loose)
    except _DECODE_ERRORS:
        return None


def _entry_to_json(row: IndexEntry) -> list[Json]:
    address = str(row.address) if row.address else ""
    problems = [encode_diagnostic(diagnostic) for diagnostic in row.diagnostics]
    return [row.path, address, row.level, row.clean, sorted({*map(str, row.uses)}), list(row.deps), problems]


def _entry_from_json(values: Json) -> IndexEntry:
    path, address, level, settled, uses, seen, problems = values
    if type(level) is not int or type(settled) is not bool or not 0 <= level < _MAX_LEVEL:
        raise TypeError(path)
    return IndexEntry(
        path=_check_text(path),
        address=parse_address(_check_text(address)) if address else None,
        level=level,
        clean=settled,
        uses=tuple(parse_address(_check_text(use)) for use in uses),
        deps=tuple(map(_check_text, seen)),
        diagnostics=tuple(_decode_diagnostics(problems)),
    )


def _decode_diagnostics(problems: Iterable[Json]) -> Iterator[Diagnostic]:
    return map(decode_diagnostic, problems)


def _check_oid(value: Json) -> str:
    """Take the name of an object, and nothing that Git would take for something else, such as an option."""
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
