"""What follows from what in a plan: directly, because it references it, or indirectly, through others.

An update in place changes nothing for those who reference it, so nothing follows from one; nor does anything follow
from a new version for those who name another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.abbreviation import join_some
from reconciler.model import Action, Address, Op

_OPS_WITHOUT_IMPACT = (Op.UPDATE, Op.RENAME, Op.ARCHIVE, Op.DELETE, Op.CANCEL, Op.REPAIR)
_MAX_CAUSES = 3  # causes that are named


@dataclass(frozen=True, slots=True)
class Impact:
    """The edges between the actions of a plan, by address: what each one follows from, and what follows from it."""

    upstream: Mapping[Address, frozenset[Address]]
    downstream: Mapping[Address, frozenset[Address]]
    _root_causes: dict[Address, frozenset[Address]] = field(default_factory=dict)

    def root_causes(self, address: Address) -> frozenset[Address]:
        """Return where it began: what follows from nothing else and leads here, directly or not."""
        left = [address]
        while left:
            found = left[-1]
            above = self.upstream.get(found, frozenset())
            unknown = [each for each in above if each not in self._root_causes]
            if unknown:
                left += unknown
                continue
            left.pop()
            self._root_causes[found] = frozenset().union(*(self._root_causes[each] or {each} for each in above))
        return self._root_causes[address]

    def impacted_addresses(self, action: Action) -> Iterator[tuple[Address, bool]]:
        """Yield all that follows from an action, and whether directly; of a chain this is told where it begins."""
        address = action.address
        direct = self.downstream.get(address, frozenset())
        if self.upstream.get(address) or not direct or action.op in (*_OPS_WITHOUT_IMPACT, Op.BUILD):
            return
        seen, left = set(direct), list(direct)
        while left:
            new = self.downstream.get(left.pop(), frozenset()) - seen
            seen |= new
            left += new
        yield from ((each, each in direct) for each in sorted(seen - {address}))

    def indirect_cause_clause(self, action: Action) -> str:
        """Say because of what something that exists changes only through others; "" where there is no such thing."""
        if action.record is None or action.op in _OPS_WITHOUT_IMPACT:
            return ""
        direct = self.upstream.get(action.address, frozenset())
        far = [str(address) for address in sorted(self.root_causes(action.address) - direct)]
        return f", indirectly because of {join_some(far, _MAX_CAUSES)}" if far else ""


def compute_impact(actions: Sequence[Action]) -> Impact:
    """Find what follows from what among actions."""
    changing: dict[Address, set[str]] = {}
    for each in actions:
        if each.op not in _OPS_WITHOUT_IMPACT:
            changing.setdefault(each.address, {""}).add(each.version)
    upstream = {
        action.address: frozenset(
            reference.address
            for reference in action.resolved.asset.references
            if reference.version in changing.get(reference.address, ()) and reference.address != action.address
        )
        for action in actions
        if action.resolved is not None and action.op not in _OPS_WITHOUT_IMPACT
    }
    downstream: dict[Address, set[Address]] = {}
    for address, above in upstream.items():
        for other in above:
            downstream.setdefault(other, set()).add(address)
    return Impact(upstream, {address: frozenset(found) for address, found in downstream.items()})
