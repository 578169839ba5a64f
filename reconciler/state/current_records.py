"""The current records of a live state: one is read when it is looked up, all of them in one batch.

A plan looks up only the records that it needs; a state may have a hundred thousand others.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.git import trees
from reconciler.model import Address, Record, TreeEntry
from reconciler.state import codec, paths

if TYPE_CHECKING:
    from reconciler.state.snapshot import Snapshot  # whose records these are

NOT_A_RECORD = "it is not a record of mlgit"


@dataclass(slots=True)
class CurrentRecords(Mapping[Address, Record]):
    """The current records by address, in the order of their addresses; each is read once.

    A lookup reads the folder and the record, counting and iterating list the tree, and only ``items()`` and
    ``values()`` read all records. A record that is damaged is never treated as missing: reading it raises UserError
    ``state-corrupt``.
    """

    snapshot: Snapshot
    _records: dict[Address, Record] = field(default_factory=dict)
    _folders: dict[str, Mapping[str, TreeEntry]] = field(default_factory=dict)
    _files: Mapping[str, TreeEntry] | None = None
    _addresses: tuple[Address, ...] | None = None
    _is_complete: bool = False

    def __getitem__(self, address: Address) -> Record:
        """Read the record of an address."""
        if address not in self._records:
            self._records[address] = self._read_record(address)
        return self._records[address]

    def __contains__(self, address: object) -> bool:
        """Return True if there is a record, without reading it."""
        return address in self._records or (isinstance(address, Address) and self._find_entry(address) is not None)

    def __iter__(self) -> Iterator[Address]:
        """Iterate over the addresses."""
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
        """Read the records of addresses, where there are any, and their current runs, in batches."""
        unread = ((address, self._find_entry(address)) for address in addresses if address not in self._records)
        entries = {paths.current_record_path(address): entry for address, entry in unread if entry is not None}
        for path, record in zip(entries, self.snapshot.read_files(entries, codec.decode_record), strict=True):
            self._records[record.address] = self._check_record_path(path, record)
        self.snapshot.prefetch_runs(self._records.values())

    def _read_record(self, address: Address) -> Record:
        entry = self._find_entry(address)
        if entry is None:
            raise KeyError(address)
        path = paths.current_record_path(address)
        try:
            raw = trees.read_blob(self.snapshot.repository, entry.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt_error(path, "Git has no such object") from error
        return self._check_record_path(path, self.snapshot.parse_file(path, raw, codec.decode_record))

    def _check_record_path(self, path: str, record: Record) -> Record:
        """Raise UserError ``state-corrupt`` for a record at the path of another address."""
        if paths.current_record_path(record.address) != path:
            raise self.snapshot.corrupt_error(path, NOT_A_RECORD)
        return record

    def _find_entry(self, address: Address) -> TreeEntry | None:
        if self._is_complete:
            return None  # every record was read
        try:
            folder, _, name = paths.current_record_path(address).rpartition("/")
        except UnicodeEncodeError:  # typed in another encoding: no record has this name
            return None
        return self._list_folder(folder).get(name)

    def _list_folder(self, path: str) -> Mapping[str, TreeEntry]:
        """Return the entries of a folder of the state, none without the folder; every folder is read once."""
        if path not in self._folders:
            self._folders[path] = self._read_folder(path)
        return self._folders[path]

    def _read_folder(self, path: str) -> Mapping[str, TreeEntry]:
        parent, _, name = path.rpartition("/")
        root = TreeEntry(trees.FOLDER_MODE, f"{self.snapshot.commit}^{{tree}}")
        tree = self._list_folder(parent).get(name) if path else root
        if tree is None or tree.mode != trees.FOLDER_MODE:
            return {}
        try:
            return trees.list_folder(self.snapshot.repository, tree.oid)
        except trees.MissingObjectError as error:
            raise self.snapshot.corrupt_error(f"{path}/", "Git does not have all of it") from error

    def _list_addresses(self) -> tuple[Address, ...]:
        if self._addresses is None:
            addresses = (self._address_at(path) for path in self._list_files())
            self._addresses = tuple(sorted(addresses, key=_sort_key))
        return self._addresses

    def _list_files(self) -> Mapping[str, TreeEntry]:
        if self._files is None:
            self._files = self.snapshot.list_files(paths.CURRENT_PREFIX)
        return self._files

    def _address_at(self, path: str) -> Address:
        address = paths.current_record_address(path)
        if address is None:
            raise self.snapshot.corrupt_error(path, NOT_A_RECORD)
        return address

    def _read_all(self) -> dict[Address, Record]:
        if not self._is_complete:
            entries = self._list_files()
            decoded = self.snapshot.read_files(entries, codec.decode_record)
            records = [self._check_record_path(path, record) for path, record in zip(entries, decoded, strict=True)]
            self._records = {
                record.address: record for record in sorted(records, key=lambda record: _sort_key(record.address))
            }
            self._is_complete = True
            self.snapshot.prefetch_runs(self._records.values())
        return self._records


def _sort_key(address: Address) -> tuple[str, str]:
    """Return an address as strings, which compare ten times quicker."""
    return address.kind, address.name
