"""What differs between two contents: files, and columns and rows of those that are tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from reconciler.model.assets import Address, Json
from reconciler.model.dvc_pointer import DvcPointer


class FileChange(NamedTuple):
    """A file that was added, removed or changed, with its sizes in bytes; None on the side where there is none.

    ``table`` says what differs in it as a table; it is None for what is no table, or if it was not asked for.
    """

    path: str
    before: int | None
    after: int | None
    table: TableDiff | None = None

    @property
    def change(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


class ChangedBlob(NamedTuple):
    """A file whose bytes changed, as Git has both sides: its names, the ids of its blobs, its sizes in bytes."""

    names: tuple[str, str]
    oids: tuple[str, str]
    sizes: tuple[int, int]

    @property
    def size(self) -> int:
        """The bytes of both sides."""
        return sum(self.sizes)


class ContentChange(NamedTuple):
    """How many files of a content were added, removed and changed, and their bytes, as Git has both sides.

    The bytes are None if there are too many files to ask Git for all of their sizes, and ``changed_blobs`` is empty
    then. ``dvc`` are both sides of what DVC tracks on one of them at least, None on that which Git has: what changed in
    a folder of DVC is not counted, as Git does not have its list of files. Blobs and pointers say where the content is,
    not what it is: a plan in JSON does not have them.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    bytes_added: int | None = 0
    bytes_removed: int | None = 0
    bytes_before: int | None = 0
    """Of the files that changed."""
    bytes_after: int | None = 0
    changed_blobs: tuple[ChangedBlob, ...] = ()
    dvc: tuple[DvcPointer | None, DvcPointer | None] | None = None


class Column(NamedTuple):
    """A column of a table, by its name, and its type as Arrow names it."""

    name: str
    type: str


class TypeChange(NamedTuple):
    """A column whose type differs; its values are not compared."""

    name: str
    before: str
    after: str


class ValueChange(NamedTuple):
    """A column that has other values; in how many rows, None if that cannot be said."""

    name: str
    rows: int | None


class RowBlock(NamedTuple):
    """The rows that were added, or removed, as one block: how many, and after which row, counted from 1."""

    rows: int
    after: int


class TableDiff(NamedTuple):
    """What differs between two tables.

    ``not_compared`` says why they, or the rest of them, were not compared; "" if all was. ``rows_compared`` is None if
    all rows were compared. ``block`` is what was added (or, with a negative number of rows, removed), if that explains
    the number of rows. The numbers of rows are None if a table was not read to its end.
    """

    rows_before: int | None = None
    rows_after: int | None = None
    added: tuple[Column, ...] = ()
    removed: tuple[Column, ...] = ()
    types: tuple[TypeChange, ...] = ()
    values: tuple[ValueChange, ...] = ()
    equal: int = 0
    """How many columns have equal values, apart from the block."""
    block: RowBlock | None = None
    rows_compared: int | None = None
    not_compared: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the difference as a document; `from_json` reads it back."""
        return {
            "rows": {"before": self.rows_before, "after": self.rows_after, "compared": self.rows_compared},
            "columns_added": [column._asdict() for column in self.added],
            "columns_removed": [column._asdict() for column in self.removed],
            "types_changed": [change._asdict() for change in self.types],
            "values_changed": [change._asdict() for change in self.values],
            "columns_equal": self.equal,
            "block": self.block._asdict() if self.block else None,
            "not_compared": self.not_compared or None,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the difference that a document has."""
        rows, block = document["rows"], document["block"]
        return cls(
            rows_before=rows["before"],
            rows_after=rows["after"],
            added=tuple(Column(**column) for column in document["columns_added"]),
            removed=tuple(Column(**column) for column in document["columns_removed"]),
            types=tuple(TypeChange(**change) for change in document["types_changed"]),
            values=tuple(ValueChange(**change) for change in document["values_changed"]),
            equal=document["columns_equal"],
            block=RowBlock(**block) if block else None,
            rows_compared=rows["compared"],
            not_compared=document["not_compared"] or "",
        )


class FilesDiff(NamedTuple):
    """The files that differ between two contents, by path, and the totals of both."""

    changes: tuple[FileChange, ...]
    files_before: int
    files_after: int
    size_before: int
    size_after: int

    def of(self, change: str) -> tuple[FileChange, ...]:
        """Return the files that were ``added``, ``removed`` or ``changed``."""
        return tuple(item for item in self.changes if item.change == change)


class TableComparison(NamedTuple):
    """What differs in the tables of data that a plan registers: an observation, no part of the plan.

    ``others`` is how many tables changed besides. ``command`` compares more than a plan may read, once the version is
    registered; "" if all was compared that can be. ``hint`` says what is missing to compare any table.
    """

    address: Address
    tables: tuple[FileChange, ...] = ()
    others: int = 0
    command: str = ""
    hint: str = ""

    @property
    def is_complete(self) -> bool:
        """True if the same comparison finds the same again: nothing was left out."""
        return not (self.others or self.command or self.hint) and all(
            file.table is not None and not file.table.not_compared for file in self.tables
        )
