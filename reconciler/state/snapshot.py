"""The live state read: one commit of it as a value. A record is read when it is looked up, all of them in one go.

A plan looks up what it is about; a state may hold a hundred thousand records that it is not about.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from reconciler.diagnostics import UserError, user_error
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import Address, Json, Record, Run, State, TreeEntry, lookup_under_former_names, parse_address
from reconciler.state import codec
from reconciler.state import paths as layout

_T = TypeVar("_T", Record, Run)

STATE_FORMAT = 1
_NOT_A_RECORD = "it is no record of mlgit"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live state as it stands at one commit; ``ref`` is where it was found, for messages."""

    repository: Repository
    ref: str
    commit: str
    prefetched_files: dict[str, bytes] = field(
        default_factory=dict, compare=False
    )  # files that were read before they are asked
    history_listings: dict[str, frozenset[str]] = field(
        default_factory=dict, compare=False
    )  # what is in folders of histories

    def load_state(self, lineage: str) -> State:
        """Return the state as a value; a UserError where it is another workspace's, or a newer mlgit's."""
        meta = self.read_meta(lineage)
        applied, store = meta.get("applied", ""), meta.get("store", "")
        rollback = codec.decode_rollback(meta.get("held"))
        current = CurrentRecords(self)
        run, version = (
            lookup_under_former_names(current, self.read_run),
            lookup_under_former_names(current, self.read_version),
        )
        return State(lineage, current, run, version, self.commit, applied, store, rollback)

    def read_meta(self, lineage: str) -> dict[str, Json]:
        """Return what the state says of itself; a UserError where it has another lineage, or cannot be read."""
        raw = trees.read_file_at(self.repository, self.commit, layout.META_PATH)
        if raw is None:
            message = f"{self.ref} has no {layout.META_PATH}: it is not a live state of mlgit"
            raise user_error("state-corrupt", message, f"look at it with `git log {self.ref}`")
        try:
            meta = codec.decode_meta(raw)
        except (ValueError, LookupError, TypeError, OverflowError, AttributeError) as error:
            raise self.corrupt_error(layout.META_PATH, "it is no meta data of mlgit") from error
        if meta["lineage"] != lineage:
            message = f"{self.ref} has the lineage {meta['lineage']}, mlgit.yml has {lineage}"
            raise user_error("state-foreign", message, "another workspace has this state name: give this one another")
        if meta["format"] > STATE_FORMAT:
            message = f"{self.ref} has format {meta['format']}; this mlgit knows {STATE_FORMAT}"
            raise user_error("state-newer", message, "install a newer mlgit")
        return meta

    def read_run(self, address: Address, run_id: str) -> Run | None:
        """Read one run of a job; None where the state has none of that name."""
        path, folder = layout.history_record_path(address, run_id), layout.history_folder(address)
        shelves = self.history_listings.get(folder)
        if shelves is not None and path.removeprefix(folder).partition("/")[0] not in shelves:
            return None
        raw = self.prefetched_files.get(path) or trees.read_file_at(self.repository, self.commit, path)
        return self.parse_file(path, raw, codec.decode_run) if raw else None

    def read_version(self, address: Address, number: str) -> Record | None:
        """Read one version of an asset; None where the state has none of that number."""
        path = layout.history_record_path(address, number)
        raw = trees.read_file_at(self.repository, self.commit, path)
        return self.parse_file(path, raw, codec.decode_record) if raw else None

    def runs_of(self, address: Address) -> list[Run]:
        """Read every run of a job, oldest first."""
        record = CurrentRecords(self).get(address)
        names = (*map(parse_address, reversed(record.formerly if record else ())), address)
        made = (
            run
            for name in names
            for run in self.read_files(self.list_files(layout.history_folder(name)), codec.decode_run)
        )
        found = {run.id: replace(run, address=address) for run in made}
        return sorted(found.values(), key=lambda run: (run.submitted_at, run.attempt))

    def list_files(self, folder: str) -> Mapping[str, TreeEntry]:
        """List the files below a folder of the state."""
        try:
            return trees.list_files(self.repository, self.commit, folder)
        except trees.MissingObjectError as error:
            raise self.corrupt_error(folder, "Git has not all of it") from error

    def read_files(self, entries: Mapping[str, TreeEntry], read: Callable[[bytes], _T]) -> list[_T]:
        """Read what was listed, in one process."""
        raws = self._read_blobs(entries) if entries else {}
        return [self.parse_file(path, raws[entry.oid], read) for path, entry in entries.items()]

    def prefetch_runs(self, records: Iterable[Record]) -> None:
        """Read the current runs of many jobs, and which others there may be: somebody is about to ask for them."""
        jobs = [record for record in records if record.run and not record.formerly]
        paths = [layout.history_record_path(record.address, record.run) for record in jobs]
        folders = [layout.history_folder(record.address) for record in jobs]
        with suppress(trees.MissingObjectError):
            raws = trees.read_blobs(self.repository, [f"{self.commit}:{path}" for path in paths])
            self.prefetched_files.update(zip(paths, raws.values(), strict=True))
            there = trees.list_folders(self.repository, self.commit, folders)
            self.history_listings.update({folder: frozenset(each) for folder, each in there.items()})

    def parse_file(self, path: str, raw: bytes, read: Callable[[bytes], _T]) -> _T:
        """Read the bytes of a file of the state."""
        try:
            return read(raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.corrupt_error(path, _NOT_A_RECORD) from error

    def corrupt_error(self, path: str, why: str) -> UserError:
        """Say that a file of the state is not as mlgit writes it, and how to find out whose it is."""
        message = f"{path} of the live state cannot be read: {why}"
        hint = f"`mlgit state repair` puts its newest good copy back; `git log {self.ref} -- {path}` says who wrote it"
        return user_error("state-corrupt", message, hint)

    def _read_blobs(self, entries: Mapping[str, TreeEntry]) -> Mapping[str, bytes]:
        try:
            return trees.read_blobs(self.repository, [entry.oid for entry in entries.values()])
        except trees.MissingObjectError as error:
            path = next(path for path, entry in entries.items() if entry.oid == error.oid)
            raise self.corrupt_error(path, "Git has no such object") from error


@dataclass(slots=True)
class CurrentRecords(Mapping[Address, Record]):
    """The current records by address, in the order of their addresses; each is read once.

    To look one up reads its folder and itself, to count or to go through the addresses lists the tree, and only
    ``items()`` and ``values()`` read them all. A UserError ``state-corrupt`` where a record cannot be read: what is
    damaged never passes for what is not there.
    """

    snapshot: Snapshot
    _records: dict[Address, Record] = field(default_factory=dict)
    _folders: dict[str, Mapping[str, TreeEntry]] = field(default_factory=dict)
    _addresses: tuple[Address, ...] | None = None
    _is_complete: bool = False

    def __getitem__(self, address: Address) -> Record:
        """Read the record of an address."""
        if address not in self._records:
            self._records[address] = self._read_record(address)
        return self._records[address]

    def __contains__(self, address: object) -> bool:
        """Tell whether there is a record, without reading it."""
        return address in self._records or (isinstance(address, Address) and self._find_entry(address) is not None)

    def __iter__(self) -> Iterator[Address]:
        """Go through the addresses."""
        return iter(self._list_addresses())

    def __len__(self) -> int:
        """Count the records."""
        return len(self._list_addresses())

    def items(self) -> ItemsView[Address, Record]:
        """Read all records."""
        return self._read_all().items()

    def values(self) -> ValuesView[Record]:
        """Read all records."""
        return self._read_all().values()

    def prefetch(self, addresses: Iterable[Address]) -> None:
        """Read the records of addresses, as far as there are any, and their current runs, in two processes."""
        unread = ((address, self._find_entry(address)) for address in addresses if address not in self._records)
        entries = {layout.current_record_path(address): entry for address, entry in unread if entry is not None}
        for path, record in zip(entries, self.snapshot.read_files(entries, codec.decode_record), strict=True):
            self._records[record.address] = self._check_record_path(path, record)
        self.snapshot.prefetch_runs(self._records.values())

    def _read_record(self, address: Address) -> Record:
        entry = self._find_entry(address)
        if entry is None:
            raise KeyError(address)
        path = layout.current_record_path(address)
        try:
            raw = trees.read_blob(self.snapshot.repository, entry.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt_error(path, "Git has no such object") from error
        return self._check_record_path(path, self.snapshot.parse_file(path, raw, codec.decode_record))

    def _check_record_path(self, path: str, record: Record) -> Record:
        """Refuse a record that stands where another belongs: looked up and listed it would be two things."""
        if layout.current_record_path(record.address) != path:
            raise self.snapshot.corrupt_error(path, _NOT_A_RECORD)
        return record

    def _find_entry(self, address: Address) -> TreeEntry | None:
        if self._is_complete:
            return None  # what there is was read
        try:
            folder, _, name = layout.current_record_path(address).rpartition("/")
        except UnicodeEncodeError:  # typed in another encoding: no record is called so
            return None
        return self._list_folder(folder).get(name)

    def _list_folder(self, path: str) -> Mapping[str, TreeEntry]:
        """Read a folder of the state, nothing where there is none; every folder is read once."""
        if path not in self._folders:
            self._folders[path] = self._read_folder(path)
        return self._folders[path]

    def _read_folder(self, path: str) -> Mapping[str, TreeEntry]:
        above, _, name = path.rpartition("/")
        tree = (
            self._list_folder(above).get(name)
            if path
            else TreeEntry(trees.FOLDER_MODE, f"{self.snapshot.commit}^{{tree}}")
        )
        if tree is None or tree.mode != trees.FOLDER_MODE:
            return {}
        try:
            return trees.list_folder(self.snapshot.repository, tree.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt_error(f"{path}/", "Git has not all of it") from error

    def _list_addresses(self) -> tuple[Address, ...]:
        if self._addresses is None:
            found = (self._address_at(path) for path in self.snapshot.list_files(layout.CURRENT_PREFIX))
            self._addresses = tuple(sorted(found, key=_sort_key))
        return self._addresses

    def _address_at(self, path: str) -> Address:
        address = layout.current_record_address(path)
        if address is None:
            raise self.snapshot.corrupt_error(path, _NOT_A_RECORD)
        return address

    def _read_all(self) -> dict[Address, Record]:
        if not self._is_complete:
            entries = self.snapshot.list_files(layout.CURRENT_PREFIX)
            found = self.snapshot.read_files(entries, codec.decode_record)
            fitting = [self._check_record_path(path, record) for path, record in zip(entries, found, strict=True)]
            self._records = {
                record.address: record for record in sorted(fitting, key=lambda record: _sort_key(record.address))
            }
            self._is_complete = True
            self.snapshot.prefetch_runs(self._records.values())
        return self._records


def _sort_key(address: Address) -> tuple[str, str]:
    """Return an address as strings, which are compared ten times quicker."""
    return address.kind, address.name


def changed_addresses(repository: Repository, before: str, after: str) -> frozenset[Address]:
    """Return the addresses of which two trees of live states do not have the same records, versions and runs.

    A MissingObjectError where Git has not all of both.
    """
    found = (layout.record_address(path) for path in trees.changed_modes(repository, before, after))
    return frozenset(address for address in found if address is not None)
