"""Archive and restore by hand: what is written of it, or why it cannot be. What Git declares stays Git's to decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from reconciler.applying.clock import now
from reconciler.diagnostics import failure
from reconciler.format.assets import Declared
from reconciler.format.kind import Leaving
from reconciler.format.kinds import kind_named, kinds
from reconciler.live import codec, layout
from reconciler.live.reading import Snapshot
from reconciler.live.state import State, Writes
from reconciler.model import Address, Live, Record
from reconciler.planning.observed import unfinished_of


@dataclass(frozen=True, slots=True)
class Shelf:
    """What archiving goes by: the live state, and what the work tree and HEAD declare."""

    state: State
    live: Live
    declared: tuple[Declared, ...]

    def declares(self, address: Address) -> bool:
        """Tell whether a file declares an address, be it one with errors."""
        return any(address in each.assets or address in each.broken for each in self.declared)

    def users(self, address: Address, version: str) -> Iterator[str]:
        """Say who in the files refers to a version of an asset or, without a version, to the asset."""
        named = {
            asset.address
            for each in self.declared
            for asset in each.assets.values()
            for reference in asset.references
            if reference.address == address and version in ("", reference.version)
        }
        yield from (f"{each} refers to it, and would find nothing live" for each in sorted(named))

    def versions(self, address: Address) -> list[Record]:
        """Read every version of an asset, oldest first."""
        snapshot = Snapshot(self.state.repository, self.state.ref, self.live.commit)
        return sorted(snapshot.every(snapshot.listed(layout.history_of(address)), codec.record), key=_seq)


@dataclass(frozen=True, slots=True)
class Change:
    """What is about to be done by hand: in words, what follows from it, and what is written."""

    sentence: str
    writes: Writes
    notes: tuple[str, ...] = ()


def archive(shelf: Shelf, address: Address, version: str) -> Change:
    """Say what archiving an address, or one version of it, would write. A UserError says why it cannot be."""
    record = shelf.live.current[address]
    _refuse_other_kinds(address, version)
    if record.protected:
        hint = "take it out of protect: in mlgit.yml and apply that first"
        raise failure("protected", f"{address} is protected", hint)
    if version and version != record.version:
        return _archive_older(shelf, record, version)
    if record.archived:
        raise failure("archived-already", f"{address} is archived already", f"`mlgit restore {address}` brings it back")
    if shelf.declares(address):
        message = f"{record.source or 'a file'} declares {address}: the next apply would bring it back"
        hint = "remove its file and run `mlgit apply`, which archives it; an older version can be archived: " + (
            f"{address}@VERSION" if record.version else "this kind has none"
        )
        raise failure("still-declared", message, hint)
    _refuse_active(shelf.live, record)
    if not version:
        archived = replace(record, archived=True, applied_at=now())
        return Change(f"archive {address}", Writes(current=(archived,)), tuple(shelf.users(address, "")))
    return _archive_current(shelf, record)


def _refuse_other_kinds(address: Address, version: str) -> None:
    kind = kind_named(address.kind) if address.kind in kinds() else None
    if kind is None or kind.leaving is not Leaving.ARCHIVE:
        message = f"a {address.kind} cannot be archived"
        raise failure(
            "not-archivable", message, "what has versions or runs can; the rest goes when its file leaves Git"
        )
    if version and not kind.versioned:
        message = f"a {address.kind} has no versions, so {address} is archived as a whole"
        raise failure("not-archivable", message, f"leave out @{version}")


def _refuse_active(live: Live, record: Record) -> None:
    run = next((each for each in unfinished_of(live, record) if each.status.active), None)
    if run is not None:
        hint = f"cancel it with `mlgit job cancel {run.address.name}`, or record how it ended with `mlgit apply --wait`"
        raise failure("run-active", f"run {run.id} is {run.status} as far as is recorded", hint)


def _archive_older(shelf: Shelf, record: Record, version: str) -> Change:
    older = _version(shelf.live, record.address, version)
    named = record.address.at(version)
    if older.archived:
        raise failure("archived-already", f"{named} is archived already", f"`mlgit restore {named}` brings it back")
    return Change(f"archive {named}", Writes(versions=(replace(older, archived=True),)))


def _archive_current(shelf: Shelf, record: Record) -> Change:
    """Archive the current version: the highest one that is left becomes current."""
    named = record.address.at(record.version)
    every = shelf.versions(record.address)
    archived = replace(record, archived=True, applied_at=now())
    left = [each for each in every if not each.archived and each.version != record.version]
    if not left:
        notes = (_NO_VERSION_LEFT, *shelf.users(record.address, ""))
        return Change(f"archive {named}", Writes(current=(archived,), versions=(archived,)), notes)
    latest = _current(left[-1], record)
    note = f"{record.address}@latest is version {latest.version} then"
    return Change(f"archive {named}", Writes(current=(latest,), versions=(archived,)), (note,))


_NO_VERSION_LEFT = "no version is left: the address is archived with it"


def restore(shelf: Shelf, address: Address, version: str) -> Change:
    """Say what restoring an address, or one version of it, would write. A UserError says why it cannot be."""
    record = shelf.live.current[address]
    _refuse_other_kinds(address, version)
    if not record.archived:
        return _restore_version(shelf, record, version)
    if version and version != record.version:
        message = f"{address} is archived as a whole"
        raise failure("address-archived", message, f"bring it back first: `mlgit restore {address}`")
    there = replace(record, archived=False, applied_at=now())
    notes = [*needs(shelf.live, record, shelf.declares), *(() if shelf.declares(address) else (_undeclared(address),))]
    writes = Writes(current=(there,), versions=(there,) if record.version else ())
    return Change(f"restore {address}", writes, tuple(notes))


def needs(live: Live, record: Record, declares: Callable[[Address], bool]) -> Iterator[str]:
    """Say what a record refers to that is archived as well, so that its file would refer to nothing."""
    for address in sorted({each.address for each in record.references.values()}):
        other = live.current.get(address)
        if other is not None and other.archived and not declares(address):
            cure = f"`mlgit restore {address}`, then `mlgit import {address}`"
            yield f"it needs {address}, which is archived too: {cure}"


def _undeclared(address: Address) -> str:
    return f"no file declares it: the next apply archives it again, unless `mlgit import {address}` writes one first"


def _restore_version(shelf: Shelf, record: Record, version: str) -> Change:
    """Give one version back. It becomes current where it is the highest, and no file says what is current."""
    address = record.address
    if not version:
        lives = f": version {record.version} lives there now" if record.version else ""
        hint = f"one version is restored with `mlgit restore {address}@VERSION`" if record.version else ""
        raise failure("not-archived", f"{address} is not archived{lives}", hint)
    older = _version(shelf.live, address, version)
    if not older.archived:
        raise failure("not-archived", f"{address.at(version)} is not archived", "`mlgit show` tells what is")
    there = replace(older, archived=False)
    if older.seq < record.seq or shelf.declares(address):
        return Change(f"restore {address.at(version)}", Writes(versions=(there,)))
    latest = _current(there, record)
    note = f"{address}@latest is version {version} again"
    return Change(f"restore {address.at(version)}", Writes(current=(latest,), versions=(there,)), (note,))


def _version(live: Live, address: Address, version: str) -> Record:
    found = live.version(address, version)
    if found is None:
        hint = f"`mlgit log {address}` names the versions there were"
        raise failure("version-unknown", f"{address.at(version)} is not live", hint)
    return found


def _current(version: Record, before: Record) -> Record:
    """Make a version the current one; the highest number that was ever given stays taken."""
    top = max(version.top, version.seq, before.top, before.seq)
    return replace(version, top=top, applied_at=now(), archived=False)


def _seq(record: Record) -> int:
    return record.seq
