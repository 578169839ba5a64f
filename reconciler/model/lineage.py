"""Lineage: what versions and runs were made of, and what was made of them, as a graph."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.abbreviation import abbreviate_id
from reconciler.model.assets import Address


class LineageNode(NamedTuple):
    """A version of an asset, a run of a job, or what was at a place outside of the workspace.

    ``version`` of a run is its id, of an asset without versions blank, of a place the sha256 of what was there, blank
    if that is not known. A place has a ``uri`` and a blank address.
    """

    address: Address
    version: str
    is_run: bool = False
    uri: str = ""

    def __str__(self) -> str:
        if self.uri:
            return f"{self.uri} (sha256 {abbreviate_id(self.version)})" if self.version else self.uri
        return f"run {self.version}" if self.is_run else self.address.format_with_version(self.version)


class LineageEdge(NamedTuple):
    """That one node was made with another: its role is ``inputs.data``, ``environment``, or ``output model``."""

    node: LineageNode
    used: LineageNode
    role: str


class Lineage(NamedTuple):
    """The graph around a node, nearest first: what it was made of (``up``), and what was made of it (``down``).

    ``details`` are facts about the nodes, in the words of a person: source, commit, size, status.
    """

    start: LineageNode
    up: tuple[LineageEdge, ...]
    down: tuple[LineageEdge, ...]
    details: dict[LineageNode, str]
