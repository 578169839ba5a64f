"""``protect:`` of mlgit.yml: what must not be removed or replaced.

Protection is recorded with the asset, so it holds if the asset and the line of mlgit.yml are removed in one commit. It
ends with an apply in which the asset is declared and no longer protected.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Action, Address, Op, Plan, Record, ResolvedAsset
from reconciler.planning.decision import Decision, has_same_fingerprint, make_action
from reconciler.planning.resolve import PlanContext

_PROTECTED_OPS = {Op.ARCHIVE: "archived", Op.DELETE: "deleted", Op.REPLACE: "replaced"}


def protecting_glob(config: Config, address: Address) -> str:
    """Return the glob of mlgit.yml that protects an address, "" if none does."""
    return next((glob for glob in config.protect if fnmatchcase(str(address), glob)), "")


def _protecting_span(config: Config, address: Address) -> Span | None:
    """Return where the glob that protects an address stands in mlgit.yml, None if no glob does."""
    glob = protecting_glob(config, address)
    return next((span for item, span in zip(config.protect, config.protect_spans, strict=False) if item == glob), None)


def with_protection_change(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, decision: Decision
) -> Decision:
    """Return the decision, with an update if protection changes and no other action writes the record."""
    glob = protecting_glob(context.plan_options.config, resolved.asset.address)
    idle = record is not None and not (decision.actions or decision.blocked or record.archived)
    if not idle or record is None or record.protected == bool(glob) or not has_same_fingerprint(resolved, record):
        return decision
    reason = f"becomes protected (protect: {glob})" if glob else "no longer protected"
    action = make_action(context, Op.UPDATE, resolved, record, version=record.version, seq=record.seq, reason=reason)
    return decision._replace(actions=(action,))


def protection_diagnostics(plan: Plan, config: Config) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each action that removes or replaces a protected asset."""
    for action in plan.actions:
        if action.op in _PROTECTED_OPS and (reason := _protection_reason(action, config)):
            message = f"{action.address} is protected{reason}, but this plan would have it {_PROTECTED_OPS[action.op]}"
            hint = _destroy_hint(action, config) if plan.is_destroy else _protection_hint(action)
            yield Diagnostic("protected", message, _protecting_span(config, action.address), hint)


def _protection_reason(action: Action, config: Config) -> str:
    """Return by what the asset of an action is protected, "" if it is not.

    The record counts only if the asset is no longer declared.
    """
    glob = protecting_glob(config, action.address)
    if glob:
        return f" by protect: {glob} in {CONFIG_FILE}"
    recorded = action.op is not Op.REPLACE and action.record is not None and action.record.protected
    return " since it was applied last" if recorded else ""


def _protection_hint(action: Action) -> str:
    if action.op is Op.REPLACE:
        return f"undo the change, or remove its line from protect: in {CONFIG_FILE}"
    file = action.record.source if action.record else ""
    restore = f"restore {file}" if file else "declare it again"
    return f"{restore}; to remove it, first apply with it declared and without its line in protect: of {CONFIG_FILE}"


def _destroy_hint(action: Action, config: Config) -> str:
    apply = f"`mlgit apply --target {config.target}`" if config.target != DEFAULT_TARGET else "`mlgit apply`"
    keep = f"or keep it, and all that it refers to, with --exclude {action.address}"
    if protecting_glob(config, action.address):
        return f"remove its line from protect: and run {apply} first, {keep}"
    return f"run {apply} first, which ends its protection, {keep}"
