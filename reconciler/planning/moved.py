"""``moved:`` of mlgit.yml: an asset has another name, and is planned as if it had always had it.

Nothing is built or run again. Older versions and runs stay under the former names, which the record keeps. An asset
that has versions leaves an archived record behind, so that no version number is used twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from reconciler.config.config import CONFIG_FILE
from reconciler.config.moved import Rename, final_renames
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.assets import AssetSet
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.suggest import did_you_mean
from reconciler.model import Action, ActionId, Address, Op, Overlay, Plan, Record, State, lookup_under_former_names

_ADDING_OPS = (Op.CREATE, Op.NEW_VERSION, Op.REGISTER, Op.SUBMIT)
_REMOVING_OPS = (Op.ARCHIVE, Op.DELETE)


class Renames(NamedTuple):
    """The renames to do: the former record by its new address. ``diagnostics`` are about renames that are refused."""

    old_records: Mapping[Address, Record]
    diagnostics: tuple[Diagnostic, ...] = ()


def find_renames(declared: AssetSet, state: State, requested: Sequence[Rename]) -> Renames:
    """Return the requested renames that are not done yet: live under the former name, declared under the new one."""
    old_records: dict[Address, Record] = {}
    diagnostics: list[Diagnostic] = []
    for old, rename in final_renames(tuple(requested)).items():
        record = state.current.get(old)
        if record is None or record.archived:
            continue  # it was renamed already, or was never live here
        diagnostic = _check_rename(declared, state, record, rename)
        if diagnostic is not None:
            diagnostics.append(diagnostic)
        else:
            old_records[rename.new] = record
    return Renames(old_records, tuple(diagnostics))


def _check_rename(declared: AssetSet, state: State, record: Record, rename: Rename) -> Diagnostic | None:
    old, new = record.address, rename.new
    existing = state.current.get(new)
    if (contradiction := declaration_diagnostic(declared, rename._replace(old=old))) or new not in declared.assets:
        return contradiction
    if existing is not None and not existing.archived:
        message = f"{old} is renamed to {new}, but both are live: nothing is renamed"
        return Diagnostic("moved-wrong", message, rename.span, "remove this line", Severity.WARNING)
    if existing is not None and str(new) not in record.formerly:
        message = f"{old} is renamed to {new}, but another asset had that name: their versions would be mixed up"
        hint = "choose a name that was never used"
    else:
        return None
    return Diagnostic("moved-wrong", message, rename.span, hint)


def declaration_diagnostic(declared: AssetSet, rename: Rename) -> Diagnostic | None:
    """Return the diagnostic of a rename that the files contradict, None if they declare it under its new name only."""
    old, new = rename.old, rename.new
    if old in declared.assets or old in declared.known:
        asset = declared.assets.get(old)
        file = declared.documents[asset.source].path if asset else "a file"
        message = f"{old} is renamed to {new}, but {file} still declares {old}"
        return Diagnostic("moved-wrong", message, rename.span, "rename the asset in that file, or remove this line")
    if new in declared.assets or new in declared.known or new in declared.invalid_addresses:
        return None
    message = f"{old} is renamed to {new}, but no file declares {new}"
    candidates = [str(address) for address in declared.assets if address.kind == new.kind]
    hint = did_you_mean(str(new), candidates) or f"declare {new}, or remove this line to remove {old}"
    return Diagnostic("moved-wrong", message, rename.span, hint)


def rename_record(record: Record, address: Address) -> Record:
    """Return a record under another address, with its former address added to ``formerly``."""
    former = (str(record.address), *(name for name in record.formerly if name != str(address)))
    return replace(record, address=address, formerly=former)


def make_tombstone(record: Record) -> Record | None:
    """Return the archived record that keeps counting versions under the former name; None if there are no versions."""
    is_versioned = record.address.kind not in kinds() or kind_by_name(record.address.kind).is_versioned
    return replace(record, archived=True, unfinished=()) if is_versioned else None


def state_with_renames(state: State, renames: Renames) -> State:
    """Return the live state as it will be after the renames."""
    if not renames.old_records:
        return state
    renamed = {address: rename_record(record, address) for address, record in renames.old_records.items()}
    removed = frozenset(record.address for record in renames.old_records.values())
    current = Overlay(state.current, renamed, removed)
    return state._replace(
        current=current,
        find_run=lookup_under_former_names(current, state.find_run),
        find_version=lookup_under_former_names(current, state.find_version),
    )


def plan_with_renames(plan: Plan, renames: Renames) -> Plan:
    """Return the plan with the renames first; actions on renamed assets need them."""
    if not renames.old_records:
        return plan
    rename_actions = {
        address: Action(Op.RENAME, address, record.version, record=record, moved_from=record.address)
        for address, record in sorted(renames.old_records.items())
    }
    others = (
        action._replace(needs=(*_rename_keys_of(action, rename_actions), *action.needs)) for action in plan.actions
    )
    return plan._replace(actions=(*rename_actions.values(), *others))


def _rename_keys_of(action: Action, rename_actions: Mapping[Address, Action]) -> Iterator[ActionId]:
    """Yield the renames of the asset of an action and of what it references."""
    references = (reference.address for reference in action.resolved.asset.references) if action.resolved else ()
    addresses = dict.fromkeys((action.address, *references))
    yield from (rename_actions[address].key for address in addresses if address in rename_actions)


def rename_suggestions(plan: Plan) -> tuple[str, ...]:
    """Return notes on what looks like a rename: an asset is removed, and one with the same content is added."""
    added = {
        (action.address.kind, action.resolved.fingerprint): action.address
        for action in plan.actions
        if action.op in _ADDING_OPS
        and action.record is None
        and action.resolved is not None
        and action.resolved.fingerprint
    }
    pairs = (
        (action.address, added.get((action.address.kind, action.record.fingerprint)))
        for action in plan.actions
        if action.op in _REMOVING_OPS and action.record is not None
    )
    return tuple(
        f"{old} is removed and {new} is added with identical content. "
        f"If this is a rename, add moved: [{{from: {old}, to: {new}}}] to {CONFIG_FILE}"
        for old, new in pairs
        if new is not None
    )
