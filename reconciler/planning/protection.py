"""``protect:`` of mlgit.yml: what must not go, and not be replaced.

Protection is recorded with the asset. So it stays in force when the asset and the line of mlgit.yml leave Git together;
it ends with an apply in which the asset is declared and no longer protected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from reconciler.diagnostics import Diagnostic
from reconciler.format.config import FILE, Config
from reconciler.model import Action, Address, Node, Op, Plan, Record
from reconciler.planning.decision import Decision, action, same
from reconciler.planning.outlook import View

_GOES = {Op.ARCHIVE: "archived", Op.DELETE: "deleted", Op.REPLACE: "replaced"}


def protecting(config: Config, address: Address) -> str:
    """Return the glob of mlgit.yml that protects an address, "" where none does."""
    return next((glob for glob in config.protect if fnmatchcase(str(address), glob)), "")


def shielded(view: View, node: Node, record: Record | None, decision: Decision) -> Decision:
    """Let a change of protection be an action, where there is no other that writes the record."""
    glob = protecting(view.policy.config, node.asset.address)
    idle = record is not None and not (decision.actions or decision.pending or record.archived)
    if not idle or record is None or record.protected == bool(glob) or not same(node, record):
        return decision
    reason = f"becomes protected (protect: {glob})" if glob else "no longer protected"
    done = action(view, Op.UPDATE, node, record, version=record.version, seq=record.seq, reason=reason)
    return replace(decision, actions=(done,))


def violations(plan: Plan, config: Config) -> Iterator[Diagnostic]:
    """Yield what a plan does to something that is protected."""
    for each in plan.actions:
        if each.op in _GOES and (said := _protected(each, config)):
            message = f"{each.address} is protected{said}, and this plan would have it {_GOES[each.op]}"
            yield Diagnostic("protected", message, hint=_way_out(each))


def _protected(action: Action, config: Config) -> str:
    """Say by what something is protected; what is declared goes by mlgit.yml alone, what is not by its record."""
    glob = protecting(config, action.address)
    if glob:
        return f" by protect: {glob} in {FILE}"
    recorded = action.op is not Op.REPLACE and action.record is not None and action.record.protected
    return " since it was applied last" if recorded else ""


def _way_out(action: Action) -> str:
    lifted = f"apply once with it declared and without its line in protect: of {FILE}"
    if action.op is Op.REPLACE:
        return f"keep what cannot change in place, or take its line out of protect: of {FILE}"
    file = action.record.source if action.record else ""
    back = f"bring {file} back" if file else "declare it again"
    return f"{back}; if it is to go, {lifted} first"
