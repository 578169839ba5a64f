"""Assets that are live and no longer in Git: archived or deleted, if the branch contained them before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.abbreviation import abbreviate_id
from reconciler.format.assets import AssetSet
from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import REMOVED_FROM_GIT, Action, Address, Op, Record, State
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.planning.resolve import PlanContext
from reconciler.planning.supersede import make_cancel_action

# Returns True if a commit is an ancestor of what is planned, None if a shallow clone cannot tell.
AncestorCheck = Callable[[str], bool | None]


def find_removals(declared: AssetSet, state: State, ancestry: AncestorCheck) -> Mapping[Address, Record]:
    """Return what is live, no longer declared, and about to be archived or deleted."""
    undeclared = ((address, record) for address, record in state.current.items() if address not in declared.assets)
    return {
        address: record
        for address, record in undeclared
        if not record.archived and address not in declared.invalid_addresses and _is_removed(address, record, ancestry)
    }


def removal_hint(record: Record) -> str:
    """Return a hint where to find the file of an asset that is no longer in Git."""
    file, commit = record.source or "its file", abbreviate_id(record.declared_at)
    return f"bring {file} back (`git log -- {file}`; applied at {commit}), or change this reference"


def _is_removed(address: Address, record: Record, ancestry: AncestorCheck) -> bool:
    plan_options = kind_by_name(address.kind).deletion_policy if address.kind in kinds() else DeletionPolicy.KEEP
    return plan_options is not DeletionPolicy.KEEP and bool(ancestry(record.declared_at))


def plan_removals(context: PlanContext, ancestry: AncestorCheck) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """Return the actions for what is live and no longer declared, and notes on what is not removed."""
    actions: list[Action] = []
    notes: list[str] = []
    for address, record in sorted(context.state.current.items(), reverse=True):
        if address in context.declared.assets or address in context.declared.invalid_addresses:
            continue
        if record.archived:
            actions += _repeated_cancels(context, address, record, ancestry)
        elif note := _keep_note(address, record, ancestry):
            notes.append(note)
        else:
            actions += _removal_actions(context, address, record)
    return tuple(actions), tuple(notes)


def _keep_note(address: Address, record: Record, ancestry: AncestorCheck) -> str:
    """Return why an asset that is no longer declared is not removed; "" if it is."""
    if address.kind not in kinds():
        return f"{address} is live, of a kind that this version of mlgit does not know: not changed"
    if kind_by_name(address.kind).deletion_policy is DeletionPolicy.KEEP:
        return f"{address} is live and not in Git; assets of this kind are never removed automatically"
    is_ancestor = ancestry(record.declared_at)
    if is_ancestor is None:
        unknown = f"{address} is not in Git; a shallow clone cannot tell if it was: not removed"
        return f"{unknown} (`git fetch --unshallow`, in CI fetch-depth: 0)"
    return "" if is_ancestor else f"{address} is live, from a commit that is not in this branch: not removed"


def _repeated_cancels(
    context: PlanContext, address: Address, record: Record, ancestry: AncestorCheck
) -> Iterator[Action]:
    """Yield the cancels of runs that went on when their job was archived, as if their backend did not answer."""
    if record.unfinished and not _keep_note(address, record, ancestry):
        yield from (
            action
            for action in _cancel_actions(context, record)
            if action.run and context.plan_options.config.has_backend(action.run.backend)
        )


def _cancel_actions(context: PlanContext, record: Record) -> Iterator[Action]:
    for run in unfinished_runs_of(context.state, record):
        if run.status.is_active:
            yield make_cancel_action(run, record, REMOVED_FROM_GIT, "it is no longer in Git")


def _removal_actions(context: PlanContext, address: Address, record: Record) -> Iterator[Action]:
    yield from _cancel_actions(context, record)
    is_deleted = kind_by_name(address.kind).deletion_policy is DeletionPolicy.DELETE
    op = Op.DELETE if is_deleted else Op.ARCHIVE
    yield Action(op, address, version=record.version, record=record, reason="it is no longer in Git")
