"""The part of a workspace that a plan must look at if the rest is known to stay as it is.

A plan of the part equals the plan of the whole, because what is left out is clean: nothing was to be done for it when
it was planned last, and nothing that it depends on has changed since. It is resolved through its live record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.model import Address, Plan, Record, State

# Returns the files that use addresses, with what they declare.
Dependents = Callable[[AbstractSet[Address]], Mapping[str, AbstractSet[Address]]]


def downstream_closure(
    start: AbstractSet[Address], dependents: Dependents
) -> tuple[AbstractSet[Address], AbstractSet[str]]:
    """Return the addresses with all that depends on them, and the files of those that were added."""
    addresses, files, added = set(start), set[str](), set(start)
    while added:
        users = dependents(added)
        files |= users.keys()
        added = {address for declared in users.values() for address in declared} - addresses
        addresses |= added
    return addresses, files


@dataclass(frozen=True, slots=True)
class SubsetView(Mapping[Address, Record]):
    """Records of which only some are iterated; all can be looked up, which an ``Overlay`` would not allow."""

    base: Mapping[Address, Record]
    addresses: tuple[Address, ...]  # sorted, and all in ``base``

    def __getitem__(self, address: Address) -> Record:
        """Return any record."""
        return self.base[address]

    def __contains__(self, address: object) -> bool:
        """Return True if there is a record."""
        return address in self.base

    def __iter__(self) -> Iterator[Address]:
        """Yield the addresses of the subset."""
        return iter(self.addresses)

    def __len__(self) -> int:
        """Return the size of the subset."""
        return len(self.addresses)


def make_subset_view(current: Mapping[Address, Record], addresses: AbstractSet[Address]) -> SubsetView:
    """Return the records, of which those of some addresses are iterated."""
    existing = (address for address in addresses if address in current)
    return SubsetView(current, tuple(sorted(existing, key=lambda address: (address.kind, address.name))))


def clean_addresses(
    declared: AssetSet, state: State, plan: Plan, diagnostics: Iterable[Diagnostic]
) -> frozenset[Address]:
    """Return what is declared and need not be planned until it, or something that it depends on, changes.

    Assets that were renamed are left out: their versions and runs are under the former name.
    """
    planned = {action.address for action in plan.actions} | {blocked.address for blocked in plan.blocked}
    paths = {diagnostic.span.path for diagnostic in diagnostics if diagnostic.span is not None}
    candidates = (
        address
        for address, asset in declared.assets.items()
        if address not in planned and declared.documents[asset.source].path not in paths
    )
    return frozenset(address for address in candidates if _is_clean_record(state.current.get(address)))


def _is_clean_record(record: Record | None) -> bool:
    return record is not None and not record.archived and not record.formerly


def undeclared_addresses(declared: AssetSet, current: Mapping[Address, Record]) -> frozenset[Address]:
    """Return what is live and not declared: whether it is removed depends on the history of the branch."""
    undeclared = (address for address in current if address not in declared.assets)
    return frozenset(address for address in undeclared if not current[address].archived)
