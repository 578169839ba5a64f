"""``moved:`` of mlgit.yml: a record gets its new name, and everything is planned as if it had always had it.

Nothing is built or run again. Older versions and runs stay where they are, under the former names that the record
keeps. What has versions leaves an archived record behind, so that no version number is given twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.config.config import CONFIG_FILE
from reconciler.config.moved import Rename, final_renames
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.assets import AssetSet
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.suggest import did_you_mean
from reconciler.model import Action, ActionId, Address, Op, Overlay, Plan, Record, State, lookup_under_former_names

_ADDING_OPS = (Op.CREATE, Op.NEW_VERSION, Op.REGISTER, Op.SUBMIT)
_REMOVING_OPS = (Op.ARCHIVE, Op.DELETE)


@dataclass(frozen=True, slots=True)
class Renames:
    """What is renamed: the former record by its new address, and what is wrong with that."""

    old_records: Mapping[Address, Record]
    diagnostics: tuple[Diagnostic, ...] = ()


def find_renames(declared: AssetSet, live: State, asked: Sequence[Rename]) -> Renames:
    """Find what is to be renamed: live under a former name, declared under the new one."""
    former: dict[Address, Record] = {}
    problems: list[Diagnostic] = []
    for old, rename in final_renames(tuple(asked)).items():
        record = live.current.get(old)
        if record is None or record.archived:
            continue  # it was renamed already, or never lived here
        wrong = _check_rename(declared, live, record, rename)
        if wrong is None:
            former[rename.new] = record
        else:
            problems.append(wrong)
    return Renames(former, tuple(problems))


def _check_rename(declared: AssetSet, live: State, record: Record, rename: Rename) -> Diagnostic | None:
    old, new = record.address, rename.new
    there = live.current.get(new)
    if old in declared.assets:
        file = declared.documents[declared.assets[old].source].path
        message = f"{old} is renamed to {new}, and {file} still declares {old}"
        hint = "give the asset its new name there, or take this line out"
    elif new not in declared.assets:
        if new in declared.invalid_addresses:
            return None
        message = f"{old} is renamed to {new}, which nothing declares"
        known = [str(address) for address in declared.assets if address.kind == new.kind]
        hint = did_you_mean(str(new), known) or f"declare {new}, or take this line out to let {old} go"
    elif there is not None and not there.archived:
        message = f"{old} is renamed to {new}, and both are live: nothing is renamed"
        return Diagnostic("moved-wrong", message, rename.span, "take this line out", Severity.WARNING)
    elif there is not None and str(new) not in record.formerly:
        message = f"{old} is renamed to {new}, a name that another asset had: their versions would be mixed up"
        hint = "choose a name that is new"
    else:
        return None
    return Diagnostic("moved-wrong", message, rename.span, hint)


def rename_record(record: Record, address: Address) -> Record:
    """Return a record under another address; it keeps the former one."""
    former = (str(record.address), *(each for each in record.formerly if each != str(address)))
    return replace(record, address=address, formerly=former)


def make_tombstone(record: Record) -> Record | None:
    """Return what stays under the former name: where there are versions, an archived record that counts them on."""
    counted = record.address.kind not in kinds() or kind_by_name(record.address.kind).is_versioned
    return replace(record, archived=True, unfinished=()) if counted else None


def state_with_renames(live: State, found: Renames) -> State:
    """Return the live state as it will be once the moves are made."""
    if not found.old_records:
        return live
    new = {address: rename_record(record, address) for address, record in found.old_records.items()}
    gone = frozenset(record.address for record in found.old_records.values())

    current = Overlay(live.current, new, gone)
    run, version = (
        lookup_under_former_names(current, live.find_run),
        lookup_under_former_names(current, live.find_version),
    )
    return replace(live, current=current, find_run=run, find_version=version)


def plan_with_renames(plan: Plan, found: Renames) -> Plan:
    """Put the renaming before everything else; what happens to a renamed asset needs it."""
    if not found.old_records:
        return plan
    first = {
        address: Action(Op.RENAME, address, record.version, record=record, moved_from=record.address)
        for address, record in sorted(found.old_records.items())
    }
    rest = (replace(action, needs=(*_rename_keys_of(action, first), *action.needs)) for action in plan.actions)
    return replace(plan, actions=(*first.values(), *rest))


def _rename_keys_of(action: Action, first: Mapping[Address, Action]) -> Iterator[ActionId]:
    """Yield the renaming of what an action is about, and of what that references."""
    mentioned = (reference.address for reference in action.resolved.asset.references) if action.resolved else ()
    yield from (first[fromkey].key for fromkey in dict.fromkeys((action.address, *mentioned)) if fromkey in first)


def rename_suggestions(plan: Plan) -> tuple[str, ...]:
    """Say what looks like a rename: the same content leaves under one name and arrives under another."""
    arriving = {
        (action.address.kind, action.resolved.fingerprint): action.address
        for action in plan.actions
        if action.op in _ADDING_OPS
        and action.record is None
        and action.resolved is not None
        and action.resolved.fingerprint
    }
    pairs = (
        (action.address, arriving.get((action.address.kind, action.record.fingerprint)))
        for action in plan.actions
        if action.op in _REMOVING_OPS and action.record is not None
    )
    return tuple(
        f"{old} leaves and {new} arrives with the same content: "
        f"write moved: [{{from: {old}, to: {new}}}] in {CONFIG_FILE} to rename it"
        for old, new in pairs
        if new is not None
    )
