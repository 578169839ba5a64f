"""The plan of ``--destroy``: the removal of everything that is live.

It follows from the live state and mlgit.yml alone; the files of the assets are not read. An asset goes after everything
that refers to it, and what contains all others, such as the workspace, goes last. So a selection takes along what
refers to the selected assets, and what is excluded keeps all that it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import DESTROYED, Action, ActionId, Address, Observation, Op, Plan, Record, RunStatus, State
from reconciler.planning.graph import depth_first_order
from reconciler.planning.plan import PlanInputs
from reconciler.planning.refresh import merge_observation, unfinished_runs_of
from reconciler.planning.selection import reachable_from
from reconciler.planning.supersede import make_cancel_action

_Users = Mapping[Address, Sequence[Address]]  # of each asset, the assets that refer to it and go before it


def make_destroy_plan(inputs: PlanInputs) -> Plan:
    """Return the plan that removes all live assets, after the cancels of all runs that have not ended."""
    state, advances = merge_observation(inputs.state, inputs.observation or Observation())
    kept, notes = _kept_addresses(state)
    records = {address: record for address, record in sorted(state.current.items()) if address not in kept}
    cancels = {address: tuple(_cancel_actions(state, record)) for address, record in records.items()}
    live = {address: record for address, record in records.items() if not record.archived}
    removals = tuple(_removal_actions(live, cancels))
    recorded = map(_with_destroyed_failure, advances)
    experiments = (run for run in state.read_open_experiments() if run.status.is_active and run.address not in kept)
    stopped = (make_cancel_action(run, None, DESTROYED, "") for run in experiments)
    actions = (*recorded, *(action for actions in cancels.values() for action in actions), *stopped, *removals)
    return Plan(inputs.desired.source, state.commit, actions, notes=notes, is_destroy=True)


def _with_destroyed_failure(action: Action) -> Action:
    """Return the record of a run with the reason of a cancel that was not recorded because its apply was killed."""
    run = action.run
    is_unrecorded = run is not None and run.status is RunStatus.CANCELED and not run.failure
    return action._replace(run=replace(run, failure=DESTROYED)) if run and is_unrecorded else action


def _cancel_actions(state: State, record: Record) -> Iterator[Action]:
    for run in unfinished_runs_of(state, record):
        if run.status.is_active:
            yield make_cancel_action(run, record, DESTROYED, "")


def _kept_addresses(state: State) -> tuple[AbstractSet[Address], tuple[str, ...]]:
    """Return the assets of unknown kinds, with all that they refer to and what contains them, and notes on them."""
    unknown = [address for address, record in state.current.items() if address.kind not in kinds()]
    if not unknown:
        return frozenset(), ()
    kept = reachable_from(unknown, _upstream_edges(state.current))
    notes = (f"{address} stays: this version of mlgit does not know its kind" for address in sorted(unknown))
    return kept | {address for address in state.current if _is_container(address)}, tuple(notes)


def _removal_actions(
    records: Mapping[Address, Record], cancels: Mapping[Address, Sequence[Action]]
) -> Iterator[Action]:
    """Yield the removals, each after the cancels of its runs and after what refers to it; containers come last."""
    contents = {address: record for address, record in records.items() if not _is_container(address)}
    users, levels = _users_and_levels(contents)

    def sort_key(address: Address) -> tuple[int, int, str, str]:
        return levels[address], kind_by_name(address.kind).order, address.kind, address.name

    unneeded: dict[ActionId, None] = {}  # the keys of the removals that no other one needs so far
    keys: dict[Address, ActionId] = {}
    for address in sorted(contents, key=sort_key, reverse=True):
        needs = (*(action.key for action in cancels[address]), *(keys[user] for user in users[address]))
        action = _removal_action(records[address], needs)
        for key in needs:
            unneeded.pop(key, None)
        unneeded[action.key] = None
        keys[address] = action.key
        yield action
    for address in sorted(records.keys() - contents.keys(), reverse=True):
        yield _removal_action(records[address], tuple(unneeded))


def _removal_action(record: Record, needs: tuple[ActionId, ...]) -> Action:
    archived = kind_by_name(record.address.kind).deletion_policy is DeletionPolicy.ARCHIVE
    op = Op.ARCHIVE if archived else Op.DELETE
    return Action(op, record.address, version=record.version, record=record, needs=needs)


def _is_container(address: Address) -> bool:
    """Return True for a kind that a plan never removes by itself: it contains all other assets."""
    return address.kind in kinds() and kind_by_name(address.kind).deletion_policy is DeletionPolicy.KEEP


def _users_and_levels(records: Mapping[Address, Record]) -> tuple[_Users, Mapping[Address, int]]:
    """Return what refers to each asset, and the length of the longest path of references below it.

    References that close a cycle do not count.
    """
    edges = _upstream_edges(records)
    order = depth_first_order(edges, edges, set())
    users: dict[Address, list[Address]] = {address: [] for address in order}
    levels: dict[Address, int] = {}
    for address in order:
        earlier = [upstream for upstream in edges[address] if upstream in levels]
        levels[address] = 1 + max((levels[upstream] for upstream in earlier), default=-1)
        for upstream in earlier:
            users[upstream].append(address)
    return users, levels


def _upstream_edges(records: Mapping[Address, Record]) -> dict[Address, list[Address]]:
    return {
        address: sorted({reference.address for reference in record.references.values()} & records.keys() - {address})
        for address, record in records.items()
    }
