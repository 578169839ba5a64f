"""The live state read: one commit of it as a value. A record is read when it is looked up, all of them in one go.

A plan looks up what it is about; a state may hold a hundred thousand records that it is not about.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from reconciler.diagnostics import UserError, failure
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.live import codec, layout
from reconciler.model import Address, Entry, Json, Live, Record, Run, address_of
from reconciler.planning.moved import under_former_names

_T = TypeVar("_T", Record, Run)

FORMAT = 1
_NO_RECORD = "it is no record of mlgit"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live state as it stands at one commit; ``ref`` is where it was found, for messages."""

    repository: Repository
    ref: str
    commit: str
    ahead: dict[str, bytes] = field(default_factory=dict, compare=False)  # files that were read before they are asked
    shelves: dict[str, frozenset[str]] = field(default_factory=dict, compare=False)  # what is in folders of histories

    def live(self, lineage: str) -> Live:
        """Return the state as a value; a UserError where it is another workspace's, or a newer mlgit's."""
        meta = self.meta(lineage)
        applied, store = meta.get("applied", ""), meta.get("store", "")
        rollback = codec.rollback(meta.get("held"))
        current = Current(self)
        run, version = under_former_names(current, self.run), under_former_names(current, self.version)
        return Live(lineage, current, run, version, self.commit, applied, store, rollback)

    def meta(self, lineage: str) -> dict[str, Json]:
        """Return what the state says of itself; a UserError where it has another lineage, or cannot be read."""
        raw = trees.file_at(self.repository, self.commit, layout.META)
        if raw is None:
            message = f"{self.ref} has no {layout.META}: it is not a live state of mlgit"
            raise failure("state-corrupt", message, f"look at it with `git log {self.ref}`")
        try:
            meta = codec.meta(raw)
        except (ValueError, LookupError, TypeError, OverflowError, AttributeError) as error:
            raise self.corrupt(layout.META, "it is no meta data of mlgit") from error
        if meta["lineage"] != lineage:
            message = f"{self.ref} has the lineage {meta['lineage']}, mlgit.yml has {lineage}"
            raise failure("state-foreign", message, "another workspace has this state name: give this one another")
        if meta["format"] > FORMAT:
            message = f"{self.ref} has format {meta['format']}; this mlgit knows {FORMAT}"
            raise failure("state-newer", message, "install a newer mlgit")
        return meta

    def run(self, address: Address, run_id: str) -> Run | None:
        """Read one run of a job; None where the state has none of that name."""
        path, folder = layout.history(address, run_id), layout.history_of(address)
        shelves = self.shelves.get(folder)
        if shelves is not None and path.removeprefix(folder).partition("/")[0] not in shelves:
            return None
        raw = self.ahead.get(path) or trees.file_at(self.repository, self.commit, path)
        return self.parsed(path, raw, codec.run) if raw else None

    def version(self, address: Address, number: str) -> Record | None:
        """Read one version of an asset; None where the state has none of that number."""
        path = layout.history(address, number)
        raw = trees.file_at(self.repository, self.commit, path)
        return self.parsed(path, raw, codec.record) if raw else None

    def runs_of(self, address: Address) -> list[Run]:
        """Read every run of a job, oldest first."""
        record = Current(self).get(address)
        names = (*map(address_of, reversed(record.formerly if record else ())), address)
        made = (run for name in names for run in self.every(self.listed(layout.history_of(name)), codec.run))
        found = {run.id: replace(run, address=address) for run in made}
        return sorted(found.values(), key=lambda run: (run.submitted_at, run.attempt))

    def listed(self, folder: str) -> Mapping[str, Entry]:
        """List the files below a folder of the state."""
        try:
            return trees.entries(self.repository, self.commit, folder)
        except trees.MissingObjectError as error:
            raise self.corrupt(folder, "Git has not all of it") from error

    def every(self, entries: Mapping[str, Entry], read: Callable[[bytes], _T]) -> list[_T]:
        """Read what was listed, in one process."""
        raws = self._blobs(entries) if entries else {}
        return [self.parsed(path, raws[entry.oid], read) for path, entry in entries.items()]

    def read_ahead(self, records: Iterable[Record]) -> None:
        """Read the current runs of many jobs, and which others there may be: somebody is about to ask for them."""
        jobs = [each for each in records if each.run and not each.formerly]
        paths = [layout.history(each.address, each.run) for each in jobs]
        folders = [layout.history_of(each.address) for each in jobs]
        with suppress(trees.MissingObjectError):
            raws = trees.blobs(self.repository, [f"{self.commit}:{path}" for path in paths])
            self.ahead.update(zip(paths, raws.values(), strict=True))
            there = trees.folders(self.repository, self.commit, folders)
            self.shelves.update({folder: frozenset(each) for folder, each in there.items()})

    def parsed(self, path: str, raw: bytes, read: Callable[[bytes], _T]) -> _T:
        """Read the bytes of a file of the state."""
        try:
            return read(raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.corrupt(path, _NO_RECORD) from error

    def corrupt(self, path: str, why: str) -> UserError:
        """Say that a file of the state is not as mlgit writes it, and how to find out whose it is."""
        message = f"{path} of the live state cannot be read: {why}"
        hint = f"`mlgit state repair` puts its newest good copy back; `git log {self.ref} -- {path}` says who wrote it"
        return failure("state-corrupt", message, hint)

    def _blobs(self, entries: Mapping[str, Entry]) -> Mapping[str, bytes]:
        try:
            return trees.blobs(self.repository, [each.oid for each in entries.values()])
        except trees.MissingObjectError as error:
            path = next(path for path, each in entries.items() if each.oid == error.oid)
            raise self.corrupt(path, "Git has no such object") from error


@dataclass(slots=True)
class Current(Mapping[Address, Record]):
    """The current records by address, in the order of their addresses; each is read once.

    To look one up reads its folder and itself, to count or to go through the addresses lists the tree, and only
    ``items()`` and ``values()`` read them all. A UserError ``state-corrupt`` where a record cannot be read: what is
    damaged never passes for what is not there.
    """

    snapshot: Snapshot
    _read: dict[Address, Record] = field(default_factory=dict)
    _folders: dict[str, Mapping[str, Entry]] = field(default_factory=dict)
    _addresses: tuple[Address, ...] | None = None
    _whole: bool = False

    def __getitem__(self, address: Address) -> Record:
        """Read the record of an address."""
        if address not in self._read:
            self._read[address] = self._one(address)
        return self._read[address]

    def __contains__(self, address: object) -> bool:
        """Tell whether there is a record, without reading it."""
        return address in self._read or (isinstance(address, Address) and self._entry(address) is not None)

    def __iter__(self) -> Iterator[Address]:
        """Go through the addresses."""
        return iter(self._listed())

    def __len__(self) -> int:
        """Count the records."""
        return len(self._listed())

    def items(self) -> ItemsView[Address, Record]:
        """Read all records."""
        return self._all().items()

    def values(self) -> ValuesView[Record]:
        """Read all records."""
        return self._all().values()

    def fetch(self, addresses: Iterable[Address]) -> None:
        """Read the records of addresses, as far as there are any, and their current runs, in two processes."""
        unread = ((each, self._entry(each)) for each in addresses if each not in self._read)
        entries = {layout.current(each): entry for each, entry in unread if entry is not None}
        for path, record in zip(entries, self.snapshot.every(entries, codec.record), strict=True):
            self._read[record.address] = self._fitting(path, record)
        self.snapshot.read_ahead(self._read.values())

    def _one(self, address: Address) -> Record:
        entry = self._entry(address)
        if entry is None:
            raise KeyError(address)
        path = layout.current(address)
        try:
            raw = trees.blob(self.snapshot.repository, entry.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt(path, "Git has no such object") from error
        return self._fitting(path, self.snapshot.parsed(path, raw, codec.record))

    def _fitting(self, path: str, record: Record) -> Record:
        """Refuse a record that stands where another belongs: looked up and listed it would be two things."""
        if layout.current(record.address) != path:
            raise self.snapshot.corrupt(path, _NO_RECORD)
        return record

    def _entry(self, address: Address) -> Entry | None:
        if self._whole:
            return None  # what there is was read
        try:
            folder, _, name = layout.current(address).rpartition("/")
        except UnicodeEncodeError:  # typed in another encoding: no record is called so
            return None
        return self._folder(folder).get(name)

    def _folder(self, path: str) -> Mapping[str, Entry]:
        """Read a folder of the state, nothing where there is none; every folder is read once."""
        if path not in self._folders:
            self._folders[path] = self._unread_folder(path)
        return self._folders[path]

    def _unread_folder(self, path: str) -> Mapping[str, Entry]:
        above, _, name = path.rpartition("/")
        tree = self._folder(above).get(name) if path else Entry(trees.FOLDER, f"{self.snapshot.commit}^{{tree}}")
        if tree is None or tree.mode != trees.FOLDER:
            return {}
        try:
            return trees.folder(self.snapshot.repository, tree.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt(f"{path}/", "Git has not all of it") from error

    def _listed(self) -> tuple[Address, ...]:
        if self._addresses is None:
            found = (self._address(path) for path in self.snapshot.listed(layout.CURRENT))
            self._addresses = tuple(sorted(found, key=_parts))
        return self._addresses

    def _address(self, path: str) -> Address:
        address = layout.address_of(path)
        if address is None:
            raise self.snapshot.corrupt(path, _NO_RECORD)
        return address

    def _all(self) -> dict[Address, Record]:
        if not self._whole:
            entries = self.snapshot.listed(layout.CURRENT)
            found = self.snapshot.every(entries, codec.record)
            fitting = [self._fitting(path, each) for path, each in zip(entries, found, strict=True)]
            self._read = {each.address: each for each in sorted(fitting, key=lambda each: _parts(each.address))}
            self._whole = True
            self.snapshot.read_ahead(self._read.values())
        return self._read


def _parts(address: Address) -> tuple[str, str]:
    """Return an address as strings, which are compared ten times quicker."""
    return address.kind, address.name


def touched(repository: Repository, before: str, after: str) -> frozenset[Address]:
    """Return the addresses of which two trees of live states do not have the same records, versions and runs.

    A MissingObjectError where Git has not all of both.
    """
    found = (layout.subject_of(path) for path in trees.modes(repository, before, after))
    return frozenset(each for each in found if each is not None)
