"""Compute which actions of a plan are the consequence of others: directly, by a reference, or indirectly.

An update in place has no impact on the assets that reference it. A new version has none on assets that reference
another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.abbreviation import join_some
from reconciler.model import Action, Address, Op

_OPS_WITHOUT_IMPACT = (Op.UPDATE, Op.RENAME, Op.ARCHIVE, Op.DELETE, Op.CANCEL, Op.REPAIR)
_MAX_CAUSES = 3


@dataclass(frozen=True, slots=True)
class Impact:
    """The dependencies between the actions of a plan, by address: direct causes and direct dependents."""

    upstream: Mapping[Address, frozenset[Address]]
    downstream: Mapping[Address, frozenset[Address]]
    _root_causes: dict[Address, frozenset[Address]] = field(default_factory=dict)

    def root_causes(self, address: Address) -> frozenset[Address]:
        """Return the direct and indirect causes of an address that have no cause themselves."""
        stack = [address]
        while stack:
            current = stack[-1]
            causes = self.upstream.get(current, frozenset())
            unresolved = [cause for cause in causes if cause not in self._root_causes]
            if unresolved:
                stack += unresolved
                continue
            stack.pop()
            self._root_causes[current] = frozenset().union(*(self._root_causes[cause] or {cause} for cause in causes))
        return self._root_causes[address]

    def impacted_addresses(self, action: Action) -> Iterator[tuple[Address, bool]]:
        """Yield the addresses impacted by a root cause, and whether directly; nothing for an action with a cause."""
        address = action.address
        direct = self.downstream.get(address, frozenset())
        if self.upstream.get(address) or not direct or action.op in (*_OPS_WITHOUT_IMPACT, Op.BUILD):
            return
        impacted, stack = set(direct), list(direct)
        while stack:
            new = self.downstream.get(stack.pop(), frozenset()) - impacted
            impacted |= new
            stack += new
        yield from ((dependent, dependent in direct) for dependent in sorted(impacted - {address}))

    def indirect_cause_clause(self, action: Action) -> str:
        """Return a clause with the indirect root causes of a change to an existing asset, or "" if there are none."""
        if action.record is None or action.op in _OPS_WITHOUT_IMPACT:
            return ""
        direct = self.upstream.get(action.address, frozenset())
        indirect = [str(address) for address in sorted(self.root_causes(action.address) - direct)]
        return f", indirectly because of {join_some(indirect, _MAX_CAUSES)}" if indirect else ""


def compute_impact(actions: Sequence[Action]) -> Impact:
    """Return the dependencies between actions."""
    changed_versions: dict[Address, set[str]] = {}
    for action in actions:
        if action.op not in _OPS_WITHOUT_IMPACT:
            changed_versions.setdefault(action.address, {""}).add(action.version)
    upstream = {
        action.address: frozenset(
            reference.address
            for reference in action.resolved.asset.references
            if reference.version in changed_versions.get(reference.address, ()) and reference.address != action.address
        )
        for action in actions
        if action.resolved is not None and action.op not in _OPS_WITHOUT_IMPACT
    }
    downstream: dict[Address, set[Address]] = {}
    for address, causes in upstream.items():
        for cause in causes:
            downstream.setdefault(cause, set()).add(address)
    return Impact(upstream, {address: frozenset(dependents) for address, dependents in downstream.items()})
