"""The order of assets: each after everything that it references. Cycles are diagnostics that name their path.

A reference to an exact version that exists already waits for nothing, so it closes no cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.model import Address, Asset, Reference

# Returns True if the exact version that a reference names exists already.
ExistenceCheck = Callable[[Reference], bool]
_Edges = Mapping[Address, list[Address]]


def _assume_exists(_reference: Reference) -> bool:
    """Return True: without a live state any version may exist."""
    return True


def topological_order(
    assets: Mapping[Address, Asset],
    outside: Mapping[Address, int] | None = None,
    exists: ExistenceCheck = _assume_exists,
) -> tuple[Asset, ...]:
    """Return the assets, upstream first, otherwise by kind and name. There must be no cycle.

    ``outside`` are the levels of assets that are declared but not among these, so that a subset of all assets has the
    order that it has among all.
    """
    level = graph_levels(assets, outside, exists)

    def sort_key(asset: Asset) -> tuple[int, int, str, str]:  # strings compare ten times faster than addresses
        return level[asset.address], kind_of(asset).order, asset.address.kind, asset.address.name

    return tuple(sorted(assets.values(), key=sort_key))


def graph_levels(
    assets: Mapping[Address, Asset],
    outside: Mapping[Address, int] | None = None,
    exists: ExistenceCheck = _assume_exists,
) -> Mapping[Address, int]:
    """Return the level of each asset: the number of assets on the longest path above it.

    Assets in a cycle, or below one, are left out.
    """
    level = _compute_levels(assets, outside)
    return level if len(level) == len(assets) else _compute_levels(_break_cycles(assets, level, exists), outside)


def find_cycles(declared: AssetSet, exists: ExistenceCheck = _assume_exists) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for one cycle of each group of assets that all refer to one another."""
    assets = declared.readable_assets
    level = _compute_levels(assets, None)
    if len(level) == len(assets):
        return ()
    assets = _break_cycles(assets, level, exists)
    return tuple(
        _cycle_diagnostic(declared, assets, cycle) for cycle in _cycle_of_each_component(_upstream_edges(assets))
    )


def _cycle_of_each_component(edges: _Edges) -> Iterator[Sequence[Address]]:
    """Yield for each component with a cycle one, from a use to what it uses; its first member is also its last."""
    members: dict[Address, list[Address]] = {}
    for address, component in _strongly_connected_components(edges).items():
        members.setdefault(component, []).append(address)
    for component in sorted(members):
        inner = set(members[component])
        inside = {address: [upstream for upstream in edges[address] if upstream in inner] for address in sorted(inner)}
        try:
            TopologicalSorter(inside).prepare()
        except CycleError as error:
            yield tuple(reversed(error.args[1]))


def _cycle_diagnostic(declared: AssetSet, assets: Mapping[Address, Asset], cycle: Sequence[Address]) -> Diagnostic:
    asset = assets[cycle[-2]]
    reference = next(reference for reference in asset.references if reference.address == cycle[-1])
    message = "circular dependency: " + " -> ".join(map(str, cycle))
    span = declared.value_span(asset, reference.pointer)
    return Diagnostic("reference-cycle", message, span, "remove one of the references")


def _compute_levels(assets: Mapping[Address, Asset], outside: Mapping[Address, int] | None) -> Mapping[Address, int]:
    """Return the levels if every reference counts.

    Addresses are numbered first: looking up a number is ten times faster.
    """
    number = {address: index for index, address in enumerate(assets)}
    waits, level = [0] * len(number), [0] * len(number)
    users: list[list[int]] = [[] for _ in number]
    for index, asset in enumerate(assets.values()):
        for reference in asset.references:
            upstream = number.get(reference.address)
            if upstream is not None:
                users[upstream].append(index)
                waits[index] += 1
            elif outside is not None:
                level[index] = max(level[index], 1 + outside.get(reference.address, -1))
    ordered = [index for index, count in enumerate(waits) if not count]
    for index in ordered:  # grows while it is iterated
        for user in users[index]:
            level[user] = max(level[user], 1 + level[index])
            waits[user] -= 1
            if not waits[user]:
                ordered.append(user)
    addresses = list(assets)
    return {addresses[index]: level[index] for index in ordered}


def _break_cycles(
    assets: Mapping[Address, Asset], acyclic: Mapping[Address, int], exists: ExistenceCheck
) -> Mapping[Address, Asset]:
    """Return the assets without the references that close a cycle and name a version that exists already.

    ``acyclic`` are addresses outside of any cycle. A version that an asset of the cycle declares cannot exist before.
    """
    cyclic = {address: asset for address, asset in assets.items() if address not in acyclic}
    component = _strongly_connected_components(_upstream_edges(cyclic))

    def is_kept(user: Address, reference: Reference) -> bool:
        if not reference.version or component.get(reference.address) != component[user]:
            return True
        return reference.version == assets[reference.address].version or not exists(reference)

    def without_closing_references(asset: Asset) -> Asset:
        references = tuple(reference for reference in asset.references if is_kept(asset.address, reference))
        return asset._replace(references=references)

    return {
        address: without_closing_references(asset) if address in cyclic else asset for address, asset in assets.items()
    }


def _strongly_connected_components(upstream: _Edges) -> Mapping[Address, Address]:
    """Return the component of each address, named by one member: its members can all reach one another."""
    users: dict[Address, list[Address]] = {address: [] for address in upstream}
    for user, references in upstream.items():
        for address in references:
            users[address].append(user)
    visited: set[Address] = set()
    last_first = reversed(depth_first_order(upstream, upstream, set()))
    return {address: start for start in last_first for address in depth_first_order([start], users, visited)}


def depth_first_order(starts: Iterable[Address], edges: _Edges, visited: set[Address]) -> list[Address]:
    """Return what can be reached and is not ``visited`` yet, in the order in which a depth-first search leaves it."""
    order: list[Address] = []
    for start in starts:
        stack = [] if start in visited else [(start, iter(edges[start]))]
        visited.add(start)
        while stack:
            address, neighbours = stack[-1]
            unvisited = next((neighbour for neighbour in neighbours if neighbour not in visited), None)
            if unvisited is None:
                order.append(address)
                stack.pop()
            else:
                visited.add(unvisited)
                stack.append((unvisited, iter(edges[unvisited])))
    return order


def _upstream_edges(assets: Mapping[Address, Asset]) -> dict[Address, list[Address]]:
    return {
        address: [reference.address for reference in asset.references if reference.address in assets]
        for address, asset in sorted(assets.items())
    }
