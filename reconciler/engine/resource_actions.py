"""The actions on what a provider makes: create, update, replace and delete a resource.

An intent is recorded before each effect and settled after it, so that the next apply after a crash finds by the token
what was made, and nothing is made twice. A record stays until the provider confirms that its resource is gone.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.engine.action_context import ActionContext, resolved_asset_of
from reconciler.model import Action, Condition, Effect, Handle, Intent, Op, Phase, Record
from reconciler.planning.bindings import provider_of
from reconciler.planning.clusters import BINDING, forget_hint
from reconciler.resources import Resource
from reconciler.state.store import WriteBatch

_TIMEOUT_SECONDS = 600.0  # for which an action waits for a resource to be ready, or gone
_FIRST_DELAY_SECONDS, _MAX_DELAY_SECONDS = 0.05, 5.0  # between two questions to a provider
_MADE_PHASES = frozenset({Phase.READY, Phase.SUCCEEDED, Phase.FAILED, Phase.GONE, Phase.UNKNOWN})


def has_resource(context: ActionContext, action: Action) -> bool:
    """Return True if a provider makes, or has made, the asset of an action that changes it."""
    if action.op not in (Op.CREATE, Op.UPDATE, Op.REPLACE, Op.DELETE):
        return False
    record = action.record
    return bool(provider_of(context.providers.config, action.address)) or (
        record is not None and (record.handle is not None or record.intent is not None)
    )


def make_resource(context: ActionContext, action: Action) -> WriteBatch:
    """Create, update or replace a resource, and return the record with its handle and condition.

    One that is bound to nothing that makes it any more is deleted, and recorded as it is bound now.
    """
    recorded = context.transaction.record(action.address)
    is_made = bool(provider_of(context.providers.config, action.address))
    if recorded is not None and _must_be_deleted(action, recorded):
        former = context.providers.resource_of(recorded)
        if is_made:  # what replaces it is asked first, so that a wrong setting does not end what there is
            context.providers.resource(action.address, None).check(resolved_asset_of(action).asset)
        _delete(context, action, former, recorded)
        recorded = replace(recorded, handle=None, condition=None, intent=None)
    if not is_made:
        return WriteBatch(
            current=(replace(context.make_bound_record(action), handle=None, condition=None, intent=None),)
        )
    resource = context.providers.resource(action.address, recorded.handle if recorded else None)
    if recorded is not None and recorded.handle is not None:
        return _update(context, action, resource, recorded)
    return _create(context, action, resource, recorded)


def delete_resource(context: ActionContext, action: Action) -> WriteBatch:
    """Delete a resource; its record is removed after the provider has confirmed that it is gone."""
    recorded = context.transaction.record(action.address)
    if recorded is not None and (recorded.handle is not None or recorded.intent is not None):
        _delete(context, action, context.providers.resource_of(recorded), recorded)
    return WriteBatch(removed=(action.address,))


def _must_be_deleted(action: Action, recorded: Record) -> bool:
    is_deleting = recorded.intent is not None and recorded.intent.effect is Effect.DELETE
    is_gone = recorded.condition is not None and recorded.condition.phase is Phase.GONE
    return is_deleting or action.op is Op.REPLACE or (action.op is Op.CREATE and recorded.handle is not None) or is_gone


def _create(context: ActionContext, action: Action, resource: Resource, recorded: Record | None) -> WriteBatch:
    asset = resolved_asset_of(action).asset
    resumed = recorded.intent if recorded and recorded.intent and recorded.intent.effect is Effect.CREATE else None
    intent = resumed or Intent(Effect.CREATE, _new_token(context, action))
    record = replace(context.make_bound_record(action), handle=None, condition=None, intent=intent)
    context.transaction.write_now(WriteBatch(current=(record,)), action)
    handle = resource.create(asset, intent.token)
    if resumed is not None:  # what was made may be of an earlier declaration
        resource.update(handle, asset)
    record = replace(record, handle=handle, intent=None)
    context.transaction.write_now(WriteBatch(current=(record,)), action)
    return _with_condition(context, action, resource, record)


def _update(context: ActionContext, action: Action, resource: Resource, recorded: Record) -> WriteBatch:
    handle = _handle_of(recorded)
    intent = Intent(Effect.UPDATE, _new_token(context, action))
    context.transaction.write_now(WriteBatch(current=(replace(recorded, intent=intent),)), action)
    resource.update(handle, resolved_asset_of(action).asset)
    record = replace(context.make_bound_record(action), intent=None)
    context.transaction.write_now(WriteBatch(current=(record,)), action)
    return _with_condition(context, action, resource, record)


def _delete(context: ActionContext, action: Action, resource: Resource, recorded: Record) -> None:
    """Delete the resource of a record and wait until it is gone; until then the record keeps handle and intent."""
    intent = recorded.intent
    handle = recorded.handle or (resource.find(intent.token) if intent else None)
    if handle is None:
        return  # nothing was made
    if intent is None or intent.effect is not Effect.DELETE or recorded.handle is None:
        intent = Intent(Effect.DELETE, intent.token if intent else _new_token(context, action))
        context.transaction.write_now(WriteBatch(current=(replace(recorded, handle=handle, intent=intent),)), action)
    try:
        resource.delete(handle)
    except UserError as error:
        raise UserError(*(_with_way_out(item, recorded) for item in error.diagnostics)) from error
    condition = _wait(context, resource, handle, frozenset({Phase.GONE, Phase.UNKNOWN}))
    if condition.phase is not Phase.GONE:
        message = f"{action.address} is not deleted yet: it is {_describe(condition)}"
        raise user_error("resource-not-deleted", message, "its record is kept: run `mlgit apply` again to finish")


def _with_way_out(diagnostic: Diagnostic, recorded: Record) -> Diagnostic:
    """Return a diagnostic of a deletion that says how to go on without a cluster that is gone for good."""
    if diagnostic.code != "backend-unreachable" or not recorded.realised.get(BINDING):
        return diagnostic
    ways = (diagnostic.hint, forget_hint(recorded.address))
    return diagnostic._replace(hint="; ".join(way for way in ways if way))


def _with_condition(context: ActionContext, action: Action, resource: Resource, record: Record) -> WriteBatch:
    """Return the record with its condition once it is made.

    Raises UserError ``resource-failed``, and ``resource-not-ready`` if it was waited for in vain.
    """
    condition = _wait(context, resource, _handle_of(record), _MADE_PHASES)
    writes = WriteBatch(current=(replace(record, condition=condition),))
    if condition.phase not in _MADE_PHASES:
        context.transaction.write_now(writes, action)
        message = f"{action.address} is not ready yet: it is {_describe(condition)}"
        raise user_error("resource-not-ready", message, "`mlgit status` shows when it is")
    if condition.phase in (Phase.FAILED, Phase.GONE):
        context.transaction.write_now(writes, action)
        message = f"{action.address} was made, but is {_describe(condition)}"
        raise user_error("resource-failed", message, f"`mlgit apply --replace {action.address}` makes it again")
    context.progress_reporter(action)(_describe(condition))
    return writes


def _wait(context: ActionContext, resource: Resource, handle: Handle, phases: frozenset[Phase]) -> Condition:
    """Return the condition of a resource once it is in one of some phases, or when it was waited for long enough."""
    deadline, delay = time.monotonic() + _TIMEOUT_SECONDS, _FIRST_DELAY_SECONDS
    while True:
        condition = resource.read([handle]).get(handle, Condition(Phase.UNKNOWN))
        if condition.phase in phases or time.monotonic() > deadline or context.is_stopping():
            return condition
        time.sleep(delay)
        delay = min(2 * delay, _MAX_DELAY_SECONDS)


def _new_token(context: ActionContext, action: Action) -> str:
    """Return a token that no other effect has: the state has moved on since each earlier one."""
    parts = (context.state.lineage, str(action.address), context.transaction.expected_commit)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _handle_of(record: Record) -> Handle:
    if record.handle is None:
        raise AssertionError(record)
    return record.handle


def _describe(condition: Condition) -> str:
    return f"{condition.phase}: {condition.message}" if condition.message else str(condition.phase)
