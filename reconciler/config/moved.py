"""Renames: the ``moved:`` entries of mlgit.yml, parsed and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.model import Address, parse_address

_HINT = "write one entry per asset: - {from: data/old, to: data/new}"


class Rename(NamedTuple):
    """A rename of an asset from ``old`` to ``new``; ``span`` is that of its entry in mlgit.yml."""

    old: Address
    new: Address
    span: Span | None = None


def parse_renames(document: Document) -> tuple[Rename, ...]:
    """Return the renames of mlgit.yml in the order of the file."""
    entries = find_value(document.data, ["moved"]) or ()
    return tuple(
        Rename(
            parse_address(entry["from"]), parse_address(entry["to"]), document.value_span(join_pointer("moved", index))
        )
        for index, entry in enumerate(entries)
    )


def final_renames(renames: tuple[Rename, ...]) -> Mapping[Address, Rename]:
    """Return, by each former address of an asset, the rename to its newest address."""
    by_old = {rename.old: rename for rename in renames}
    return {old: _final_rename(rename, by_old) for old, rename in by_old.items()}


def check_renames(document: Document) -> Iterator[Diagnostic]:
    """Yield a diagnostic for a rename that changes the kind, repeats an old or a new address, or closes a cycle."""
    by_old: dict[Address, Rename] = {}
    targets: set[Address] = set()
    for rename in parse_renames(document):
        if rename.old.kind != rename.new.kind:
            message = f"{rename.old} cannot be renamed to {rename.new}: a rename keeps the kind"
            yield Diagnostic("moved-wrong", message, rename.span, _HINT)
        elif rename.old in by_old or rename.new in targets:
            repeated = rename.old if rename.old in by_old else rename.new
            yield Diagnostic(
                "moved-wrong", f"{repeated} is renamed twice", rename.span, "remove one of the two entries"
            )
        elif _final_rename(rename, by_old).new == rename.old:
            message = f"the renames of {rename.old} form a cycle"
            yield Diagnostic("moved-wrong", message, rename.span, "remove the older entry")
        else:
            by_old[rename.old] = rename
            targets.add(rename.new)


def _final_rename(rename: Rename, by_old: Mapping[Address, Rename]) -> Rename:
    while next_rename := by_old.get(rename.new):
        rename = next_rename
    return rename
