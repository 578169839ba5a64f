"""What of a workspace a plan must look at, where the rest is known to stay as it is.

A plan of a part is the plan of the whole, because what is left out is settled: nothing was to be done for it when it
was looked at last, and nothing that it depends on has changed since. It is resolved through its live record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.model import Address, Plan, Record, State

Dependents = Callable[[AbstractSet[Address]], Mapping[str, Address]]


def downstream_closure(
    start: AbstractSet[Address], dependents: Dependents
) -> tuple[AbstractSet[Address], AbstractSet[str]]:
    """Return the addresses that follow from others, those included, and the files of those that were added."""
    found, files, new = set(start), set[str](), set(start)
    while new:
        users = dependents(new)
        files |= users.keys()
        new = set(users.values()) - found
        found |= new
    return found, files


@dataclass(frozen=True, slots=True)
class SubsetView(Mapping[Address, Record]):
    """Records of which some are gone through; all can be looked up."""

    base: Mapping[Address, Record]
    addresses: tuple[Address, ...]  # in order, and there

    def __getitem__(self, address: Address) -> Record:
        """Look any record up."""
        return self.base[address]

    def __contains__(self, address: object) -> bool:
        """Tell whether there is a record."""
        return address in self.base

    def __iter__(self) -> Iterator[Address]:
        """Go through the records that are in question."""
        return iter(self.addresses)

    def __len__(self) -> int:
        """Count the records that are in question."""
        return len(self.addresses)


def make_subset_view(current: Mapping[Address, Record], addresses: AbstractSet[Address]) -> SubsetView:
    """Return the records with those of some addresses to go through."""
    there = (address for address in addresses if address in current)
    return SubsetView(current, tuple(sorted(there, key=lambda each: (each.kind, each.name))))


def clean_addresses(declared: AssetSet, live: State, plan: Plan, problems: Iterable[Diagnostic]) -> frozenset[Address]:
    """Return what is declared and needs no look until it, or something that it depends on, changes.

    Not what had another name before: its past lies under that one.
    """
    busy = {action.address for action in plan.actions} | {each.address for each in plan.blocked}
    wrong = {diagnostic.span.path for diagnostic in problems if diagnostic.span is not None}
    quiet = (
        address
        for address, asset in declared.assets.items()
        if address not in busy and declared.documents[asset.source].path not in wrong
    )
    return frozenset(address for address in quiet if _is_clean_record(live.current.get(address)))


def _is_clean_record(record: Record | None) -> bool:
    return record is not None and not record.archived and not record.formerly


def undeclared_addresses(declared: AssetSet, current: Mapping[Address, Record]) -> frozenset[Address]:
    """Return what is live and not declared: whether it stays follows from history, which a tree does not tell."""
    undeclared = (address for address in current if address not in declared.assets)
    return frozenset(address for address in undeclared if not current[address].archived)
