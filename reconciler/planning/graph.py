"""The order of assets: each after everything that it references; cycles are diagnostics with their path."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import Declared, kind_of
from reconciler.model import Address, Asset


def ordered(assets: Mapping[Address, Asset]) -> tuple[Asset, ...]:
    """Return the assets, upstream first, otherwise by kind and name. There must be no cycle."""
    sorter: TopologicalSorter[Address] = TopologicalSorter(_upstream(assets))
    sorter.prepare()
    found: list[Asset] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda each: (kind_of(assets[each]).order, each))
        found += [assets[address] for address in ready]
        sorter.done(*ready)
    return tuple(found)


def cycles(declared: Declared) -> tuple[Diagnostic, ...]:
    """Say which assets reference each other in a circle: one circle, the first found."""
    try:
        TopologicalSorter(_upstream(declared.assets)).prepare()
    except CycleError as error:
        circle: list[Address] = error.args[1]
        asset = declared.assets[circle[1]]
        reference = next(each for each in asset.references if each.address == circle[0])
        message = "these depend on each other in a circle: " + " -> ".join(str(each) for each in reversed(circle))
        place = declared.documents[asset.source].value(reference.pointer)
        return (Diagnostic("reference-cycle", message, place, "remove one of the references"),)
    return ()


def _upstream(assets: Mapping[Address, Asset]) -> dict[Address, list[Address]]:
    return {
        address: [each.address for each in asset.references if each.address in assets]
        for address, asset in sorted(assets.items())
    }
