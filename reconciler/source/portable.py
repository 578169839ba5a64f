"""An index as lines of text, for a clone that has none yet: what it holds for, then a line for each file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.model import Address, Json, address_of
from reconciler.source.diagnosed import diagnostic, plain
from reconciler.source.index import Base, Row

_NO_FINDINGS = (ValueError, TypeError, RecursionError)  # what reading something else ends in
_MOST = 2**31  # levels, of which there are no more than assets
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_write = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Findings:
    """What a plan of everything found out: of each file, and what is live and not declared."""

    base: Base
    rows: Sequence[Row]
    loose: Sequence[Address]


def dump(found: Findings) -> bytes:
    """Write findings, files by their paths: alike for whoever writes them."""
    base = found.base
    first = [base.key, base.tree, base.state, list(base.nested), sorted(map(str, found.loose))]
    rows = (_plain(each) for each in sorted(found.rows, key=lambda each: each.path))
    return "".join(f"{_write(each)}\n" for each in (first, *rows)).encode()


def head(raw: bytes) -> Base | None:
    """Read what findings hold for; None where that is none of ours."""
    try:
        key, tree, state, nested, _ = json.loads(raw.partition(b"\n")[0])
        return Base(_text(key), _oid(tree), _oid(state), tuple(map(_folder, nested)))
    except _NO_FINDINGS:
        return None


def load(raw: bytes) -> Findings | None:
    """Read what `dump` wrote; None where it is nothing of that sort: it comes from another machine."""
    base = head(raw)
    if base is None:
        return None
    try:
        first, *lines = raw.decode().splitlines()
        loose = [address_of(_text(each)) for each in json.loads(first)[-1]]
        return Findings(base, [_row(json.loads(line)) for line in lines], loose)
    except _NO_FINDINGS:
        return None


def _plain(row: Row) -> list[Json]:
    address = str(row.address) if row.address else ""
    problems = [plain(each) for each in row.diagnostics]
    return [row.path, address, row.level, row.settled, sorted({*map(str, row.uses)}), list(row.seen), problems]


def _row(values: Json) -> Row:
    path, address, level, settled, uses, seen, problems = values
    if type(level) is not int or type(settled) is not bool or not 0 <= level < _MOST:
        raise TypeError(path)
    return Row(
        path=_text(path),
        address=address_of(_text(address)) if address else None,
        level=level,
        settled=settled,
        uses=tuple(address_of(_text(each)) for each in uses),
        seen=tuple(map(_text, seen)),
        diagnostics=tuple(_diagnostics(problems)),
    )


def _diagnostics(problems: Iterable[Json]) -> Iterator[Diagnostic]:
    return map(diagnostic, problems)


def _oid(value: Json) -> str:
    """Take the name of an object, and nothing that Git would take for something else, such as an option."""
    if not _OID.fullmatch(_text(value)):
        raise ValueError(value)
    return str(value)


def _folder(value: Json) -> str:
    if not _text(value).endswith("/"):
        raise ValueError(value)
    return str(value)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
