"""Which machine does what, if the store or a backend is on one machine only.

A plan is the same everywhere. Who applies it leaves out what only another machine can do.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.config.config import Config
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Address, Blocked, Op, Plan
from reconciler.planning.clusters import backends_of_clusters

_RUN_OPS = (Op.SUBMIT, Op.RECORD, Op.CANCEL)  # a run reads its inputs from the store and writes its outputs to it
_STORE_WRITE_OPS = (Op.NEW_VERSION, Op.REGISTER, Op.BUILD)


def deferral_reason(action: Action, config: Config, host: str) -> str:
    """Return on which other machine alone an action can be done, and why; "" if this one can do it."""
    if not config.has_store(host) and _needs_store(action):
        return f"can only be done on {config.store_host}, which has the store"
    for backend in _backends_of(action, config):
        if (owner := config.backend_host(backend)) not in ("", host):
            has = "the store" if owner == config.store_host else f"the backend {backend}"
            return f"can only be done on {owner}, which has {has}"
    return ""


def _backends_of(action: Action, config: Config) -> Iterator[str]:
    """Yield the backends that an action asks: that of its run, or those that make its cluster."""
    if action.run and action.run.backend and action.op in _RUN_OPS:
        yield action.run.backend
    yield from backends_of_clusters(action, config)


def restrict_plan_to_host(plan: Plan, config: Config, host: str) -> Plan:
    """Return the plan without what only another machine can do and what needs that; both are blocked."""
    reachable, excluded = plan.without(lambda action: bool(deferral_reason(action, config, host)))
    if not excluded:
        return plan
    blocked: dict[Address, Blocked] = {}
    for item in excluded:
        reason = f"waits for {item.cause.address}" if item.cause else deferral_reason(item.action, config, host)
        blocked.setdefault(item.action.address, Blocked(item.action.address, reason))
    return reachable._replace(blocked=(*plan.blocked, *blocked.values()))


def deferred_notes(plan: Plan, config: Config, host: str) -> tuple[str, ...]:
    """Return notes on what of a plan will be left to other machines."""
    by_reason: dict[str, list[str]] = {}
    for blocked in restrict_plan_to_host(plan, config, host).blocked[len(plan.blocked) :]:
        by_reason.setdefault(blocked.message, []).append(str(blocked.address))
    return tuple(f"{', '.join(addresses)}: {reason}" for reason, addresses in by_reason.items())


def _needs_store(action: Action) -> bool:
    if action.op in _RUN_OPS:
        return True
    if action.op is Op.REPAIR:
        kind = kind_by_name(action.address.kind)
        has_contents = action.record is not None and bool(action.record.realised.get("contents"))
        return kind.uses_store and (has_contents or not kind.uses_builder)
    resolved = action.resolved
    if action.op not in _STORE_WRITE_OPS or resolved is None or not kind_by_name(action.address.kind).uses_store:
        return False
    return bool(resolved.asset.paths) or any(reference.output for reference in resolved.references.values())
