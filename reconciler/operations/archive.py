"""Archive and restore by hand: what is written of it, or why it cannot be. What Git declares stays Git's to decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from reconciler.diagnostics import user_error
from reconciler.format.assets import AssetSet
from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Address, Record, State
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.state import codec, paths
from reconciler.state.snapshot import Snapshot
from reconciler.state.store import StateStore, WriteBatch
from reconciler.timestamps import utc_timestamp


@dataclass(frozen=True, slots=True)
class ArchiveContext:
    """What archiving goes by: the live state, and what the work tree and HEAD declare."""

    state_store: StateStore
    live: State
    declared: tuple[AssetSet, ...]

    def is_declared(self, address: Address) -> bool:
        """Tell whether a file declares an address, be it one with errors."""
        return any(address in asset_set.assets or address in asset_set.invalid_addresses for asset_set in self.declared)

    def reference_notes(self, address: Address, version: str) -> Iterator[str]:
        """Say who in the files refers to a version of an asset or, without a version, to the asset."""
        named = {
            asset.address
            for asset_set in self.declared
            for asset in asset_set.assets.values()
            for reference in asset.references
            if reference.address == address and version in ("", reference.version)
        }
        yield from (f"{each} refers to it, and would find nothing live" for each in sorted(named))

    def versions(self, address: Address) -> list[Record]:
        """Read every version of an asset, oldest first."""
        snapshot = Snapshot(self.state_store.repository, self.state_store.live_ref, self.live.commit)
        return sorted(
            snapshot.read_files(snapshot.list_files(paths.history_folder(address)), codec.decode_record), key=_seq
        )


@dataclass(frozen=True, slots=True)
class ArchiveChange:
    """What is about to be done by hand: in words, what follows from it, and what is written."""

    sentence: str
    writes: WriteBatch
    notes: tuple[str, ...] = ()


def archive_change(shelf: ArchiveContext, address: Address, version: str) -> ArchiveChange:
    """Say what archiving an address, or one version of it, would write. A UserError says why it cannot be."""
    record = shelf.live.current[address]
    _check_archivable(address, version)
    if record.protected:
        hint = "take it out of protect: in mlgit.yml and apply that first"
        raise user_error("protected", f"{address} is protected", hint)
    if version and version != record.version:
        return _archive_older_version(shelf, record, version)
    if record.archived:
        raise user_error(
            "archived-already", f"{address} is archived already", f"`mlgit restore {address}` brings it back"
        )
    if shelf.is_declared(address):
        message = f"{record.source or 'a file'} declares {address}: the next apply would bring it back"
        hint = "remove its file and run `mlgit apply`, which archives it; an older version can be archived: " + (
            f"{address}@VERSION" if record.version else "this kind has none"
        )
        raise user_error("still-declared", message, hint)
    _check_no_active_run(shelf.live, record)
    if not version:
        archived = replace(record, archived=True, applied_at=utc_timestamp())
        return ArchiveChange(
            f"archive {address}", WriteBatch(current=(archived,)), tuple(shelf.reference_notes(address, ""))
        )
    return _archive_current_version(shelf, record)


def _check_archivable(address: Address, version: str) -> None:
    kind = kind_by_name(address.kind) if address.kind in kinds() else None
    if kind is None or kind.deletion_policy is not DeletionPolicy.ARCHIVE:
        message = f"a {address.kind} cannot be archived"
        raise user_error(
            "not-archivable", message, "what has versions or runs can; the rest goes when its file leaves Git"
        )
    if version and not kind.is_versioned:
        message = f"a {address.kind} has no versions, so {address} is archived as a whole"
        raise user_error("not-archivable", message, f"leave out @{version}")


def _check_no_active_run(live: State, record: Record) -> None:
    run = next((run for run in unfinished_runs_of(live, record) if run.status.is_active), None)
    if run is not None:
        hint = f"cancel it with `mlgit job cancel {run.address.name}`, or record how it ended with `mlgit apply --wait`"
        raise user_error("run-active", f"run {run.id} is {run.status} as far as is recorded", hint)


def _archive_older_version(shelf: ArchiveContext, record: Record, version: str) -> ArchiveChange:
    older = _require_version(shelf.live, record.address, version)
    named = record.address.format_with_version(version)
    if older.archived:
        raise user_error("archived-already", f"{named} is archived already", f"`mlgit restore {named}` brings it back")
    return ArchiveChange(f"archive {named}", WriteBatch(versions=(replace(older, archived=True),)))


def _archive_current_version(shelf: ArchiveContext, record: Record) -> ArchiveChange:
    """Archive the current version: the highest one that is left becomes current."""
    named = record.address.format_with_version(record.version)
    every = shelf.versions(record.address)
    archived = replace(record, archived=True, applied_at=utc_timestamp())
    left = [each for each in every if not each.archived and each.version != record.version]
    if not left:
        notes = (_NO_VERSION_LEFT, *shelf.reference_notes(record.address, ""))
        return ArchiveChange(f"archive {named}", WriteBatch(current=(archived,), versions=(archived,)), notes)
    latest = _make_current(left[-1], record)
    note = f"{record.address}@latest is version {latest.version} then"
    return ArchiveChange(f"archive {named}", WriteBatch(current=(latest,), versions=(archived,)), (note,))


_NO_VERSION_LEFT = "no version is left: the address is archived with it"


def restore_change(shelf: ArchiveContext, address: Address, version: str) -> ArchiveChange:
    """Say what restoring an address, or one version of it, would write. A UserError says why it cannot be."""
    record = shelf.live.current[address]
    _check_archivable(address, version)
    if not record.archived:
        return _restore_version(shelf, record, version)
    if version and version != record.version:
        message = f"{address} is archived as a whole"
        raise user_error("address-archived", message, f"bring it back first: `mlgit restore {address}`")
    there = replace(record, archived=False, applied_at=utc_timestamp())
    notes = [
        *archived_reference_notes(shelf.live, record, shelf.is_declared),
        *(() if shelf.is_declared(address) else (_undeclared_note(address),)),
    ]
    writes = WriteBatch(current=(there,), versions=(there,) if record.version else ())
    return ArchiveChange(f"restore {address}", writes, tuple(notes))


def archived_reference_notes(live: State, record: Record, declares: Callable[[Address], bool]) -> Iterator[str]:
    """Say what a record refers to that is archived as well, so that its file would refer to nothing."""
    for address in sorted({reference.address for reference in record.references.values()}):
        other = live.current.get(address)
        if other is not None and other.archived and not declares(address):
            cure = f"`mlgit restore {address}`, then `mlgit import {address}`"
            yield f"it needs {address}, which is archived too: {cure}"


def _undeclared_note(address: Address) -> str:
    return f"no file declares it: the next apply archives it again, unless `mlgit import {address}` writes one first"


def _restore_version(shelf: ArchiveContext, record: Record, version: str) -> ArchiveChange:
    """Give one version back. It becomes current where it is the highest, and no file says what is current."""
    address = record.address
    if not version:
        lives = f": version {record.version} lives there now" if record.version else ""
        hint = f"one version is restored with `mlgit restore {address}@VERSION`" if record.version else ""
        raise user_error("not-archived", f"{address} is not archived{lives}", hint)
    older = _require_version(shelf.live, address, version)
    if not older.archived:
        raise user_error(
            "not-archived", f"{address.format_with_version(version)} is not archived", "`mlgit show` tells what is"
        )
    there = replace(older, archived=False)
    if older.seq < record.seq or shelf.is_declared(address):
        return ArchiveChange(f"restore {address.format_with_version(version)}", WriteBatch(versions=(there,)))
    latest = _make_current(there, record)
    note = f"{address}@latest is version {version} again"
    return ArchiveChange(
        f"restore {address.format_with_version(version)}", WriteBatch(current=(latest,), versions=(there,)), (note,)
    )


def _require_version(live: State, address: Address, version: str) -> Record:
    found = live.find_version(address, version)
    if found is None:
        hint = f"`mlgit log {address}` names the versions there were"
        raise user_error("version-unknown", f"{address.format_with_version(version)} is not live", hint)
    return found


def _make_current(version: Record, before: Record) -> Record:
    """Make a version the current one; the highest number that was ever given stays taken."""
    top = max(version.top, version.seq, before.top, before.seq)
    return replace(version, top=top, applied_at=utc_timestamp(), archived=False)


def _seq(record: Record) -> int:
    return record.seq
