"""Which machine does what, where a store or a backend is on one machine alone: the others leave it to that one.

A plan is the same everywhere; only who acts on it asks here what is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.config.config import Config
from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Address, Blocked, Json, Op, Plan

_RUN_OPS = (Op.SUBMIT, Op.RECORD, Op.CANCEL)  # a run is staged out of the store, what it made goes into it
_STORE_WRITE_OPS = (Op.NEW_VERSION, Op.REGISTER)


def has_store(config: Config, here: str) -> bool:
    """Tell whether the machine called ``here`` has the store."""
    return config.store_host in ("", here)


def reachable_backends(config: Config, here: str) -> Mapping[str, Mapping[str, Json]]:
    """Return the backends that can be asked from here: without the store nothing tells how a run ended."""
    return {name: backend for name, backend in config.backends.items() if backend_host(config, name) in ("", here)}


def backend_host(config: Config, backend: str) -> str:
    """Name the one machine from which a backend can be asked, "" where that is any."""
    return config.store_host or str(config.backends.get(backend, {}).get("host", ""))


def deferral_reason(action: Action, config: Config, here: str) -> str:
    """Say on which other machine alone an action can be done, and what that one has; "" where it can be done here."""
    if not has_store(config, here) and _needs_store(action):
        return f"is done on {config.store_host} only, which has the store"
    backend = action.run.backend if action.run and action.op in _RUN_OPS else ""
    if backend and (host := backend_host(config, backend)) not in ("", here):
        return f"is done on {host} only, which has the backend {backend}"
    return ""


def restrict_plan_to_host(plan: Plan, config: Config, here: str) -> Plan:
    """Leave out of a plan what only another machine can do, and what waits for that; it is pending."""
    reachable, excluded = plan.without(lambda action: bool(deferral_reason(action, config, here)))
    if not excluded:
        return plan
    blocked: dict[Address, Blocked] = {}
    for item in excluded:
        reason = f"waits for {item.cause.address}" if item.cause else deferral_reason(item.action, config, here)
        blocked.setdefault(item.action.address, Blocked(item.action.address, reason))
    return replace(reachable, blocked=(*plan.blocked, *blocked.values()))


def deferred_notes(plan: Plan, config: Config, here: str) -> tuple[str, ...]:
    """Say of a plan, before anything is done, what will be left to other machines."""
    by_reason: dict[str, list[str]] = {}
    for blocked in restrict_plan_to_host(plan, config, here).blocked[len(plan.blocked) :]:
        by_reason.setdefault(blocked.message, []).append(str(blocked.address))
    return tuple(f"{', '.join(addresses)}: {reason}" for reason, addresses in by_reason.items())


def _needs_store(action: Action) -> bool:
    if action.op in _RUN_OPS:
        return True
    if action.op is Op.REPAIR:
        return kind_by_name(action.address.kind).uses_store
    node = action.resolved
    if action.op not in _STORE_WRITE_OPS or node is None or not kind_by_name(action.address.kind).uses_store:
        return False
    return bool(node.asset.paths) or any(reference.output for reference in node.references.values())
