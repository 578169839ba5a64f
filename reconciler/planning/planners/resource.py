"""What an asset that a provider makes needs beside a comparison with its record: to be made, or settled."""

from __future__ import annotations

from reconciler.model import Effect, Op, Phase, Record, ResolvedAsset
from reconciler.planning.bindings import provider_of
from reconciler.planning.decision import has_same_fingerprint, has_same_metadata
from reconciler.planning.drift import DriftPolicy, drift_policy_of
from reconciler.planning.resolve import PlanContext
from reconciler.planning.resource_settings import (
    are_in_place,
    describe_change,
    find_changed_settings,
    format_changed_settings,
    overwritten_settings,
)


def decide_resource(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> tuple[Op, str] | None:
    """Return the op that makes a resource or settles an effect on it, with the reason; None if nothing is open."""
    config, address = context.plan_options.config, resolved.asset.address
    if record is None or record.archived or not provider_of(config, address):
        return None
    is_same = has_same_fingerprint(resolved, record)
    if record.intent is not None:
        is_unfinished = f"its {record.intent.effect} did not finish"
        if record.intent.effect is Effect.DELETE or not is_same:
            return Op.REPLACE, is_unfinished
        return (Op.CREATE if record.intent.effect is Effect.CREATE else Op.UPDATE), is_unfinished
    if record.handle is None:
        return Op.CREATE, "only recorded so far"
    is_unchanged = is_same and has_same_metadata(resolved, record)
    if is_unchanged and drift_policy_of(config, address) is not DriftPolicy.REPAIR:
        return None
    return _decide_repair(record, has_settings=is_same and address not in context.plan_options.replace)


def _decide_repair(record: Record, *, has_settings: bool) -> tuple[Op, str] | None:
    """Return how a resource becomes as it is declared again; with ``has_settings``, also if it only has others."""
    if record.condition is not None and record.condition.phase is Phase.GONE:
        return Op.CREATE, "its provider no longer has it"
    settings = find_changed_settings(record) if has_settings else ()
    if settings and are_in_place(record, settings):
        return Op.UPDATE, describe_change(record, settings)
    return None


def find_held_back_settings(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> str:
    """Return the settings that a change would set back although they are to be written into Git; "" if none."""
    config, address = context.plan_options.config, resolved.asset.address
    is_meant = record is None or record.archived or address in context.plan_options.replace
    if record is None or is_meant or drift_policy_of(config, address) is not DriftPolicy.WRITE_BACK:
        return ""
    return format_changed_settings(overwritten_settings(record, resolved.asset.spec))
