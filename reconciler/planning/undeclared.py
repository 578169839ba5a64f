"""What is live and declared by no file."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.format.assets import AssetSet
from reconciler.format.references import parse_reference
from reconciler.model import Address, Record, Reference, State


def find_registering_job(record: Record, current: Mapping[Address, Record]) -> Record | None:
    """Return the record of the job whose file declares an asset, because it registers it from an output; else None."""
    reference = parse_reference("/path", str(record.spec.get("path", "")), "", None)
    job = current.get(reference.address) if isinstance(reference, Reference) else None
    return job if job is not None and job.source == record.source else None


def find_undeclared_records(state: State, declared: AssetSet) -> list[Record]:
    """Return what is live and not declared, but for what the file of a job declares that is among them."""
    addresses = declared.assets.keys() | declared.invalid_addresses
    records = [record for address, record in state.current.items() if address not in addresses and not record.archived]
    return [record for record in records if find_undeclared_job(record, state, declared) is None]


def find_undeclared_job(record: Record, state: State, declared: AssetSet) -> Record | None:
    """Return the record of the job whose file, which does not exist, declares an asset; None if there is none."""
    job = find_registering_job(record, state.current)
    is_undeclared = job and job.address not in declared.assets and job.address not in declared.invalid_addresses
    return job if job and is_undeclared and not job.archived else None
