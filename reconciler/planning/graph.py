"""The order of assets: each after everything that it references; cycles are diagnostics with their path.

An exact version that stands already waits for nothing: a reference to one closes no circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.model import Address, Asset, Reference

# Tells of a reference to an exact version whether that stands already.
ExistenceCheck = Callable[[Reference], bool]
_Edges = Mapping[Address, list[Address]]


def _assume_exists(_reference: Reference) -> bool:
    """Take for standing what may be: without a live state nobody knows."""
    return True


def topological_order(
    assets: Mapping[Address, Asset],
    outside: Mapping[Address, int] | None = None,
    stands: ExistenceCheck = _assume_exists,
) -> tuple[Asset, ...]:
    """Return the assets, upstream first, otherwise by kind and name. There must be no cycle.

    ``outside`` are the levels of what is declared besides: a part of all assets comes in the order that all have.
    """
    level = graph_levels(assets, outside, stands)
    return tuple(
        sorted(assets.values(), key=lambda each: (level[each.address], kind_of(each).order, *_address_sort_key(each)))
    )


def graph_levels(
    assets: Mapping[Address, Asset],
    outside: Mapping[Address, int] | None = None,
    stands: ExistenceCheck = _assume_exists,
) -> Mapping[Address, int]:
    """Return how many assets stand above each, on the longest way up.

    What is in a circle, or below one, is left out.
    """
    found = _compute_levels(assets, outside)
    return found if len(found) == len(assets) else _compute_levels(_break_cycles(assets, found, stands), outside)


def find_cycles(declared: AssetSet, stands: ExistenceCheck = _assume_exists) -> tuple[Diagnostic, ...]:
    """Say which assets reference each other in a circle: one circle, the first found."""
    found = _compute_levels(declared.assets, None)
    if len(found) == len(declared.assets):
        return ()
    assets = _break_cycles(declared.assets, found, stands)
    try:
        TopologicalSorter(_upstream_edges(assets)).prepare()
    except CycleError as error:
        circle: list[Address] = error.args[1]
        asset = assets[circle[1]]
        reference = next(reference for reference in asset.references if reference.address == circle[0])
        message = "these depend on each other in a circle: " + " -> ".join(str(address) for address in reversed(circle))
        place = declared.documents[asset.source].value_span(reference.pointer)
        return (Diagnostic("reference-cycle", message, place, "remove one of the references"),)
    return ()


def _compute_levels(assets: Mapping[Address, Asset], outside: Mapping[Address, int] | None) -> Mapping[Address, int]:
    """Return the levels where every reference counts.

    Addresses are numbered first: to look one up by its number takes a tenth of the time.
    """
    number = {address: asset for asset, address in enumerate(assets)}
    waits, level = [0] * len(number), [0] * len(number)
    users: list[list[int]] = [[] for _ in number]
    for each, asset in enumerate(assets.values()):
        for reference in asset.references:
            above = number.get(reference.address)
            if above is not None:
                users[above].append(each)
                waits[each] += 1
            elif outside is not None:
                level[each] = max(level[each], 1 + outside.get(reference.address, -1))
    done = [wait for wait, left in enumerate(waits) if not left]
    for each in done:
        for user in users[each]:
            level[user] = max(level[user], 1 + level[each])
            waits[user] -= 1
            if not waits[user]:
                done.append(user)
    addresses = list(assets)
    return {addresses[each]: level[each] for each in done}


def _break_cycles(
    assets: Mapping[Address, Asset], free: Mapping[Address, int], stands: ExistenceCheck
) -> Mapping[Address, Asset]:
    """Return the assets without the references that close a circle and name a version that stands already.

    ``free`` is in no circle. A version that the circle itself is to make, because it is declared, cannot stand before.
    """
    rest = {address: asset for address, asset in assets.items() if address not in free}
    circle = _strongly_connected_components(_upstream_edges(rest))

    def holds(user: Address, each: Reference) -> bool:
        if not each.version or circle.get(each.address) != circle[user]:
            return True
        return each.version == assets[each.address].version or not stands(each)

    def opened(asset: Asset) -> Asset:
        return replace(
            asset, references=tuple(reference for reference in asset.references if holds(asset.address, reference))
        )

    return {address: opened(asset) if address in rest else asset for address, asset in assets.items()}


def _strongly_connected_components(upstream: _Edges) -> Mapping[Address, Address]:
    """Name for each address the circles that it is in: two have the same name if each can be reached from the other."""
    users: dict[Address, list[Address]] = {address: [] for address in upstream}
    for address, above in upstream.items():
        for each in above:
            users[each].append(address)
    known: set[Address] = set()
    last_first = reversed(_depth_first_order(upstream, upstream, set()))
    return {address: start for start in last_first for address in _depth_first_order([start], users, known)}


def _depth_first_order(starts: Iterable[Address], edges: _Edges, known: set[Address]) -> list[Address]:
    """Return what can be reached and is not ``known`` yet, in the order in which a search in depth is done with it."""
    done: list[Address] = []
    for start in starts:
        way = [] if start in known else [(start, iter(edges[start]))]
        known.add(start)
        while way:
            address, left = way[-1]
            new = next((address for address in left if address not in known), None)
            if new is None:
                done.append(address)
                way.pop()
            else:
                known.add(new)
                way.append((new, iter(edges[new])))
    return done


def _upstream_edges(assets: Mapping[Address, Asset]) -> dict[Address, list[Address]]:
    return {
        address: [reference.address for reference in asset.references if reference.address in assets]
        for address, asset in sorted(assets.items())
    }


def _address_sort_key(asset: Asset) -> tuple[str, str]:
    """Return an address as strings: they are compared ten times quicker."""
    return asset.address.kind, asset.address.name
