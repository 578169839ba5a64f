"""Which machine does what, where a store or a backend is on one machine alone: the others leave it to that one.

A plan is the same everywhere; only who acts on it asks here what is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.format.config import Config
from reconciler.format.kinds import kind_named
from reconciler.model import Action, Json, Op, Pending, Plan

_ON_RUNS = (Op.SUBMIT, Op.RECORD, Op.CANCEL)  # a run is staged out of the store, what it made goes into it
_INTO_STORE = (Op.NEW_VERSION, Op.REGISTER)


def has_store(config: Config, here: str) -> bool:
    """Tell whether the machine called ``here`` has the store."""
    return config.store_host in ("", here)


def reachable(config: Config, here: str) -> Mapping[str, Mapping[str, Json]]:
    """Return the backends that can be asked from here: without the store nothing tells how a run ended."""
    return {name: each for name, each in config.backends.items() if host_of(config, name) in ("", here)}


def host_of(config: Config, backend: str) -> str:
    """Name the one machine from which a backend can be asked, "" where that is any."""
    return config.store_host or str(config.backends.get(backend, {}).get("host", ""))


def left_to(action: Action, config: Config, here: str) -> str:
    """Say on which other machine alone an action can be done, and what that one has; "" where it can be done here."""
    if not has_store(config, here) and _needs_store(action):
        return f"is done on {config.store_host} only, which has the store"
    backend = action.run.backend if action.run and action.op in _ON_RUNS else ""
    if backend and (host := host_of(config, backend)) not in ("", here):
        return f"is done on {host} only, which has the backend {backend}"
    return ""


def ours(plan: Plan, config: Config, here: str) -> Plan:
    """Leave out of a plan what only another machine can do, and what waits for that; it is pending."""
    left: dict[str, Pending] = {}
    for each in plan.actions:
        blocking = next((left[key] for key in each.needs if key in left), None)
        said = left_to(each, config, here) or (f"waits for {blocking.address}" if blocking else "")
        if said:
            left[each.key] = Pending(each.address, said)
    if not left:
        return plan
    pending = {each.address: each for each in reversed(left.values())}.values()  # of an asset the first reason
    actions = tuple(each for each in plan.actions if each.key not in left)
    return replace(plan, actions=actions, pending=(*plan.pending, *reversed(pending)))


def foretold(plan: Plan, config: Config, here: str) -> tuple[str, ...]:
    """Say of a plan, before anything is done, what will be left to other machines."""
    by_reason: dict[str, list[str]] = {}
    for each in ours(plan, config, here).pending[len(plan.pending) :]:
        by_reason.setdefault(each.message, []).append(str(each.address))
    return tuple(f"{', '.join(addresses)}: {reason}" for reason, addresses in by_reason.items())


def _needs_store(action: Action) -> bool:
    if action.op in _ON_RUNS:
        return True
    if action.op is Op.HEAL:
        return kind_named(action.address.kind).stored
    node = action.node
    if action.op not in _INTO_STORE or node is None or not kind_named(action.address.kind).stored:
        return False
    return bool(node.asset.paths) or any(each.output for each in node.references.values())
