"""What a reference may name besides what files declare: what is live, and runs in place of their jobs."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from reconciler.model import Address, Reference, Run, State


def find_run_by_name(state: State, address: Address) -> Run | None:
    """Return the run that a reference names in place of a job: runs are called ``<job>-<8 digits>``."""
    leaf = address.name.rpartition("-")[0]
    if not leaf:
        return None
    jobs = (job for job in state.current if job.kind == address.kind and job.name.rpartition("/")[2] == leaf)
    return next(filter(None, (state.find_run(job, address.name) for job in jobs)), None)


def referencable(state: State, removals: Container[Address] = ()) -> Container[Address]:
    """Return what a reference may name besides what is declared: what is live and not about to be removed, and runs.

    The run of an archived job can be named as long as its record is kept.
    """
    return _ReferencableAddresses(state, removals)


def existence_check(state: State) -> Callable[[Reference], bool]:
    """Return a function that tests if the exact version that a reference names is live already."""

    def exists(reference: Reference) -> bool:
        record = state.current.get(reference.address)
        if record is None or record.archived:
            return False
        return (
            reference.version == record.version or state.find_version(reference.address, reference.version) is not None
        )

    return exists


@dataclass(frozen=True, slots=True)
class _ReferencableAddresses(Container[Address]):
    state: State
    removals: Container[Address]

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, Address):
            return False
        if record := self.state.current.get(address):
            return not record.archived and address not in self.removals
        return find_run_by_name(self.state, address) is not None
