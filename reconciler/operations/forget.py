"""The operation ``state rm``: the live state forgets addresses; what they stand for stays as it is.

Only the current record goes. Versions and runs stay in the history of the live state, so that no version number is used
twice and an asset that is declared again adopts what exists. Of an environment of a registry the pin goes: its next use
pins the recipe of that day.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence

from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.model import Address, Lock, Run, State
from reconciler.planning.environments import is_pinned
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.state.history import format_trailers
from reconciler.state.lease import HeldLock, acquire_lock
from reconciler.state.lease_observations import open_lease_observations
from reconciler.state.process import describe_current_process, host_name
from reconciler.state.store import StateStore, WriteBatch
from reconciler.timestamps import utc_timestamp


def unfinished_runs_below(state: State, addresses: Sequence[Address]) -> tuple[Run, ...]:
    """Return the runs of jobs whose end, or whose outputs, are not recorded yet."""
    records = (record for address in addresses if (record := state.current.get(address)) is not None)
    return tuple(run for record in records for run in unfinished_runs_of(state, record))


def check_no_unfinished_run(state: State, addresses: Sequence[Address]) -> None:
    """Raise UserError ``run-active`` if the end of a run would not be recorded any more."""
    if diagnostics := tuple(map(_run_diagnostic, unfinished_runs_below(state, addresses))):
        raise UserError(*diagnostics)


def _run_diagnostic(run: Run) -> Diagnostic:
    message = f"{run.address}: run {run.id} is recorded as {run.status}, and nothing would record its end and outputs"
    hint = (
        f"cancel it with `mlgit job cancel {run.address.name}`, wait for it with `mlgit apply --wait`, or use --force: "
        "an apply that declares the job finds the run again"
    )
    return Diagnostic("run-active", message, hint=hint)


def forget_addresses(
    store: StateStore, addresses: Sequence[Address], lease: float, by: str, *, force: bool
) -> tuple[str, tuple[Lock, ...]]:
    """Remove records from the live state under a lock; return the commit, and the locks that were taken over.

    Raises UserError ``state-locked`` if an apply locks one of them, ``run-active`` unless ``force`` is given, and
    ``state-conflict`` if one of them is not live any more.
    """
    held_lock, taken_over = _acquire_lock(store, addresses, lease, by)
    try:
        state = store.read()
        if not force:
            check_no_unfinished_run(state, addresses)
        _check_still_live(state, addresses)
        removed = tuple(address for address in addresses if address in state.current)
        pins = tuple(address.name for address in addresses if is_pinned(address, state.find_pin))
        writes, message = WriteBatch(removed=removed, removed_pins=pins), _commit_message(addresses, by)
        return store.write(writes, message, since=state.commit, held=held_lock), taken_over
    finally:
        held_lock.release()


def is_known_address(state: State, address: Address) -> bool:
    """Return True if the live state has something at an address: a record, or the pin of a registry's environment."""
    return address in state.current or is_pinned(address, state.find_pin)


def _check_still_live(state: State, addresses: Sequence[Address]) -> None:
    if missing := [str(address) for address in addresses if not is_known_address(state, address)]:
        message = f"{', '.join(missing)}: removed by another command since it was read"
        raise user_error("state-conflict", message, "run the command again without it")


def _acquire_lock(
    store: StateStore, addresses: Sequence[Address], lease: float, by: str
) -> tuple[HeldLock, tuple[Lock, ...]]:
    """Return an exclusive lock on the addresses, and the locks that were taken over."""
    conflicts: list[Lock] = []

    def make_lock(others: Mapping[str, Lock]) -> Lock | None:
        conflicts[:] = [lock for lock in others.values() if lock.conflicts_with(addresses, ())]
        return None if conflicts else _make_lock(addresses, by)

    acquisition = acquire_lock(store.ref_store, open_lease_observations(store, lease), make_lock)
    if acquisition.held_lock is None:
        raise UserError(*_lock_diagnostics(addresses, conflicts))
    return acquisition.held_lock, acquisition.taken_over


def _make_lock(addresses: Sequence[Address], by: str) -> Lock:
    return Lock(
        holder=secrets.token_hex(6),
        user=by,
        host=host_name(),
        since=utc_timestamp(),
        process=describe_current_process(),
        exclusive=frozenset(addresses),
    )


def _lock_diagnostics(addresses: Sequence[Address], conflicts: Sequence[Lock]) -> Iterator[Diagnostic]:
    for lock in conflicts:
        names = ", ".join(str(address) for address in addresses if lock.conflicts_with([address], ()))
        hint = f"run the command again when that apply has ended; `mlgit unlock {lock.holder}` takes its lock away"
        yield Diagnostic("state-locked", f"{names}: locked by {lock}", hint=hint)


def _commit_message(addresses: Sequence[Address], by: str) -> str:
    if len(addresses) == 1:
        return f"state rm: {addresses[0]}\n\n{format_trailers(by)}\n"
    lines = "\n".join(f"remove {address}" for address in addresses)
    return f"state rm: {len(addresses)} addresses\n\n{lines}\n\n{format_trailers(by)}\n"


def raise_if_version(argument: str, address: Address) -> None:
    """Raise UserError ``address-has-version`` if a version of an address is named."""
    if version := argument.partition("@")[2]:
        message = f"{argument} names a version; the live state forgets an address as a whole"
        hint = f"`mlgit archive {address}@{version}` takes a version out of use, `mlgit state rm {address}` forgets all"
        raise user_error("address-has-version", message, hint)
