"""The operations archive and restore: what they write to the state, or why they cannot.

Addresses that a file declares are left to plan and apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from reconciler.diagnostics import user_error
from reconciler.format.assets import AssetSet
from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Address, Record, State
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.state.codec import decode_record
from reconciler.state.paths import history_folder
from reconciler.state.snapshot import Snapshot
from reconciler.state.store import StateStore, WriteBatch
from reconciler.timestamps import utc_timestamp

_NO_VERSION_LEFT = "no version is left: the address is archived too"


@dataclass(frozen=True, slots=True)
class ArchiveContext:
    """What archive and restore depend on: the state, and the assets that the work tree and HEAD declare."""

    state_store: StateStore
    state: State
    declared: tuple[AssetSet, ...]

    def is_declared(self, address: Address) -> bool:
        """Return True if a file, valid or not, declares an address."""
        return any(address in asset_set.assets or address in asset_set.invalid_addresses for asset_set in self.declared)

    def reference_notes(self, address: Address, version: str) -> Iterator[str]:
        """Yield a note for each declared asset that refers to a version or, with a blank version, to the asset."""
        referrers = {
            asset.address
            for asset_set in self.declared
            for asset in asset_set.assets.values()
            for reference in asset.references
            if reference.address == address and version in ("", reference.version)
        }
        yield from (f"{referrer} refers to it; the reference will not resolve" for referrer in sorted(referrers))

    def versions(self, address: Address) -> list[Record]:
        """Return every version of an asset, oldest first."""
        snapshot = Snapshot(self.state_store.repository, self.state_store.live_ref, self.state.commit)
        records = snapshot.read_files(snapshot.list_files(history_folder(address)), decode_record)
        return sorted(records, key=lambda record: record.seq)


@dataclass(frozen=True, slots=True)
class ArchiveChange:
    """A change to approve: the sentence that describes it, notes on its consequences, and what it writes."""

    sentence: str
    writes: WriteBatch
    notes: tuple[str, ...] = ()


def archive_change(context: ArchiveContext, address: Address, version: str) -> ArchiveChange:
    """Return the change that archives an address, or one version of it; raises UserError if that is impossible."""
    record = context.state.current[address]
    _check_archivable(address, version)
    if record.protected:
        hint = "remove it from protect: in mlgit.yml and apply that first"
        raise user_error("protected", f"{address} is protected", hint)
    if version and version != record.version:
        return _archive_older_version(context, record, version)
    if record.archived:
        raise user_error("archived-already", f"{address} is archived already", f"run `mlgit restore {address}`")
    if context.is_declared(address):
        message = f"{record.source or 'a file'} declares {address}: the next apply would create it again"
        older = f"; `mlgit archive {address}@VERSION` archives an older version" if record.version else ""
        raise user_error("still-declared", message, f"remove the file and run `mlgit apply`, which archives it{older}")
    _check_no_active_run(context.state, record)
    if version:
        return _archive_current_version(context, record)
    archived = replace(record, archived=True, applied_at=utc_timestamp())
    notes = tuple(context.reference_notes(address, ""))
    return ArchiveChange(f"archive {address}", WriteBatch(current=(archived,)), notes)


def _check_archivable(address: Address, version: str) -> None:
    kind = kind_by_name(address.kind) if address.kind in kinds() else None
    if kind is None or kind.deletion_policy is not DeletionPolicy.ARCHIVE:
        message = f"a {address.kind} cannot be archived"
        hint = "only kinds with versions or runs can be archived; others are deleted when their file leaves Git"
        raise user_error("not-archivable", message, hint)
    if version and not kind.is_versioned:
        message = f"a {address.kind} has no versions, so {address} is archived as a whole"
        raise user_error("not-archivable", message, f"leave out @{version}")


def _check_no_active_run(state: State, record: Record) -> None:
    run = next((run for run in unfinished_runs_of(state, record) if run.status.is_active), None)
    if run is not None:
        hint = f"cancel it with `mlgit job cancel {run.address.name}`, or wait for it with `mlgit apply --wait`"
        raise user_error("run-active", f"run {run.id} is recorded as {run.status}", hint)


def _archive_older_version(context: ArchiveContext, record: Record, version: str) -> ArchiveChange:
    older = _require_version(context.state, record.address, version)
    name = record.address.format_with_version(version)
    if older.archived:
        raise user_error("archived-already", f"{name} is archived already", f"run `mlgit restore {name}`")
    return ArchiveChange(f"archive {name}", WriteBatch(versions=(replace(older, archived=True),)))


def _archive_current_version(context: ArchiveContext, record: Record) -> ArchiveChange:
    """Archive the current version: the highest of the other versions becomes current."""
    sentence = f"archive {record.address.format_with_version(record.version)}"
    versions = context.versions(record.address)
    archived = replace(record, archived=True, applied_at=utc_timestamp())
    others = [version for version in versions if not version.archived and version.version != record.version]
    if not others:
        notes = (_NO_VERSION_LEFT, *context.reference_notes(record.address, ""))
        return ArchiveChange(sentence, WriteBatch(current=(archived,), versions=(archived,)), notes)
    latest = _make_current(others[-1], record)
    note = f"{record.address}@latest will be version {latest.version}"
    return ArchiveChange(sentence, WriteBatch(current=(latest,), versions=(archived,)), (note,))


def restore_change(context: ArchiveContext, address: Address, version: str) -> ArchiveChange:
    """Return the change that restores an address, or one version of it; raises UserError if that is impossible."""
    record = context.state.current[address]
    _check_archivable(address, version)
    if not record.archived:
        return _restore_version(context, record, version)
    if version and version != record.version:
        message = f"{address} is archived as a whole"
        raise user_error("address-archived", message, f"run `mlgit restore {address}` first")
    restored = replace(record, archived=False, applied_at=utc_timestamp())
    notes = [
        *archived_reference_notes(context.state, record, context.is_declared),
        *(() if context.is_declared(address) else (_undeclared_note(address),)),
    ]
    writes = WriteBatch(current=(restored,), versions=(restored,) if record.version else ())
    return ArchiveChange(f"restore {address}", writes, tuple(notes))


def archived_reference_notes(state: State, record: Record, is_declared: Callable[[Address], bool]) -> Iterator[str]:
    """Yield a note for each archived asset that a record refers to, unless a file declares it."""
    for address in sorted({reference.address for reference in record.references.values()}):
        referenced = state.current.get(address)
        if referenced is not None and referenced.archived and not is_declared(address):
            yield f"it needs {address}, which is archived: run `mlgit restore {address}` and `mlgit import {address}`"


def _undeclared_note(address: Address) -> str:
    return f"no file declares it: the next apply archives it again, unless you run `mlgit import {address}` first"


def _restore_version(context: ArchiveContext, record: Record, version: str) -> ArchiveChange:
    """Restore one version; it becomes current if it is the highest and no file declares the address."""
    address = record.address
    if not version:
        current = f": version {record.version} is current" if record.version else ""
        hint = f"to restore one version, run `mlgit restore {address}@VERSION`" if record.version else ""
        raise user_error("not-archived", f"{address} is not archived{current}", hint)
    older = _require_version(context.state, address, version)
    name = address.format_with_version(version)
    if not older.archived:
        raise user_error("not-archived", f"{name} is not archived", f"`mlgit show {address}` lists the versions")
    restored = replace(older, archived=False)
    if older.seq < record.seq or context.is_declared(address):
        return ArchiveChange(f"restore {name}", WriteBatch(versions=(restored,)))
    writes = WriteBatch(current=(_make_current(restored, record),), versions=(restored,))
    return ArchiveChange(f"restore {name}", writes, (f"{address}@latest will be version {version} again",))


def _require_version(state: State, address: Address, version: str) -> Record:
    record = state.find_version(address, version)
    if record is None:
        hint = f"`mlgit log {address}` lists the versions"
        raise user_error("version-unknown", f"{address.format_with_version(version)} is not live", hint)
    return record


def _make_current(version: Record, before: Record) -> Record:
    """Return a version as the current record; ``top`` stays the highest number ever used."""
    top = max(version.top, version.seq, before.top, before.seq)
    return replace(version, top=top, applied_at=utc_timestamp(), archived=False)
