"""``moved:`` of mlgit.yml: which assets have another name than they had, and what is wrong with saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.model import Address, parse_address

_HINT = "one line for each asset: - {from: data/old, to: data/new}"


@dataclass(frozen=True, slots=True)
class Rename:
    """An asset that is called ``new`` now; ``place`` is where mlgit.yml says so."""

    old: Address
    new: Address
    span: Span | None = None


def parse_renames(document: Document) -> tuple[Rename, ...]:
    """Return what is renamed, in the order of the file."""
    listed = find_value(document.data, ["moved"]) or ()
    return tuple(
        Rename(
            parse_address(each["from"]), parse_address(each["to"]), document.value_span(join_pointer("moved", number))
        )
        for number, each in enumerate(listed)
    )


def final_renames(found: tuple[Rename, ...]) -> Mapping[Address, Rename]:
    """Return, by the oldest name and by each later one, the rename that leads to the newest."""
    following = {rename.old: rename for rename in found}
    return {old: _final_rename(rename, following) for old, rename in following.items()}


def check_renames(document: Document) -> Iterator[Diagnostic]:
    """Yield the renames that lead to another kind, from one name to two, to one from two, or in a circle."""
    found = parse_renames(document)
    following: dict[Address, Rename] = {}
    taken: set[Address] = set()
    for rename in found:
        if rename.old.kind != rename.new.kind:
            message = f"{rename.old} cannot become {rename.new}: what is renamed keeps its kind"
            yield Diagnostic("moved-wrong", message, rename.span, _HINT)
        elif rename.old in following or rename.new in taken:
            twice = rename.old if rename.old in following else rename.new
            yield Diagnostic("moved-wrong", f"{twice} is renamed twice", rename.span, "leave one of the two out")
        elif _final_rename(rename, following).new == rename.old:
            message = f"{rename.old} is renamed in a circle"
            yield Diagnostic("moved-wrong", message, rename.span, "take the older of the lines out")
        else:
            following[rename.old] = rename
            taken.add(rename.new)


def _final_rename(rename: Rename, following: Mapping[Address, Rename]) -> Rename:
    while further := following.get(rename.new):
        rename = further
    return rename
