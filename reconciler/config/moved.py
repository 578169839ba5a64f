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
    following = {each.old: each for each in found}
    return {old: _final_rename(rename, following) for old, rename in following.items()}


def check_renames(document: Document) -> Iterator[Diagnostic]:
    """Yield the renames that lead to another kind, from one name to two, to one from two, or in a circle."""
    found = parse_renames(document)
    following: dict[Address, Rename] = {}
    taken: set[Address] = set()
    for each in found:
        if each.old.kind != each.new.kind:
            message = f"{each.old} cannot become {each.new}: what is renamed keeps its kind"
            yield Diagnostic("moved-wrong", message, each.span, _HINT)
        elif each.old in following or each.new in taken:
            twice = each.old if each.old in following else each.new
            yield Diagnostic("moved-wrong", f"{twice} is renamed twice", each.span, "leave one of the two out")
        elif _final_rename(each, following).new == each.old:
            message = f"{each.old} is renamed in a circle"
            yield Diagnostic("moved-wrong", message, each.span, "take the older of the lines out")
        else:
            following[each.old] = each
            taken.add(each.new)


def _final_rename(rename: Rename, following: Mapping[Address, Rename]) -> Rename:
    while further := following.get(rename.new):
        rename = further
    return rename
