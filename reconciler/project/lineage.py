"""Read all that the live state has, to trace what was made of something."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Address, Record, Run, State
from reconciler.project.state_session import StateSession
from reconciler.state.codec import decode_run


def read_everything(session: StateSession, state: State) -> Iterator[Record | Run]:
    """Yield every version of every asset and every run of every job, experiments included."""
    store = session.state_store
    records = [record for record in state.current.values() if not _is_job(record.address)]
    versions = store.versions_by_asset(records)
    for record in records:
        yield from versions.get(record.address) or (record,)
    jobs = {address for address in state.current if _is_job(address)}
    jobs |= {address for kind in kinds() if kind_by_name(kind).is_runnable for address in store.list_experiments(kind)}
    for runs in store.runs_by_job(state.current, sorted(jobs), decode_run).values():
        yield from runs


def _is_job(address: Address) -> bool:
    return kind_by_name(address.kind).is_runnable
