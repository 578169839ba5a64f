"""``protect:`` of mlgit.yml: what must not go, and not be replaced.

Protection is recorded with the asset. So it stays in force when the asset and the line of mlgit.yml leave Git together;
it ends with an apply in which the asset is declared and no longer protected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, Address, Op, Plan, Record, ResolvedAsset
from reconciler.planning.decision import Decision, has_same_fingerprint, make_action
from reconciler.planning.resolve import PlanContext

_PROTECTED_OPS = {Op.ARCHIVE: "archived", Op.DELETE: "deleted", Op.REPLACE: "replaced"}


def protecting_glob(config: Config, address: Address) -> str:
    """Return the glob of mlgit.yml that protects an address, "" where none does."""
    return next((glob for glob in config.protect if fnmatchcase(str(address), glob)), "")


def with_protection_change(
    view: PlanContext, node: ResolvedAsset, record: Record | None, decision: Decision
) -> Decision:
    """Let a change of protection be an action, where there is no other that writes the record."""
    glob = protecting_glob(view.policy.config, node.asset.address)
    idle = record is not None and not (decision.actions or decision.blocked or record.archived)
    if not idle or record is None or record.protected == bool(glob) or not has_same_fingerprint(node, record):
        return decision
    reason = f"becomes protected (protect: {glob})" if glob else "no longer protected"
    done = make_action(view, Op.UPDATE, node, record, version=record.version, seq=record.seq, reason=reason)
    return replace(decision, actions=(done,))


def protection_diagnostics(plan: Plan, config: Config) -> Iterator[Diagnostic]:
    """Yield what a plan does to something that is protected."""
    for action in plan.actions:
        if action.op in _PROTECTED_OPS and (said := _protection_reason(action, config)):
            message = f"{action.address} is protected{said}, and this plan would have it {_PROTECTED_OPS[action.op]}"
            yield Diagnostic("protected", message, hint=_protection_hint(action))


def _protection_reason(action: Action, config: Config) -> str:
    """Say by what something is protected; what is declared goes by mlgit.yml alone, what is not by its record."""
    glob = protecting_glob(config, action.address)
    if glob:
        return f" by protect: {glob} in {CONFIG_FILE}"
    recorded = action.op is not Op.REPLACE and action.record is not None and action.record.protected
    return " since it was applied last" if recorded else ""


def _protection_hint(action: Action) -> str:
    lifted = f"apply once with it declared and without its line in protect: of {CONFIG_FILE}"
    if action.op is Op.REPLACE:
        return f"keep what cannot change in place, or take its line out of protect: of {CONFIG_FILE}"
    file = action.record.source if action.record else ""
    back = f"bring {file} back" if file else "declare it again"
    return f"{back}; if it is to go, {lifted} first"
