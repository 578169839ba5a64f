"""The protocol of object stores: contents by digest, and named entries. The contract tests run on every store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple, Protocol

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import Content, ContentFile, Damage, HashedFile, LocalObject, StoredObject, UploadFile
from reconciler.model.grants import Access, Grant

FRESH_SECONDS = 3600.0
"""How old an object may be that counts as stored just now: it need not be made younger."""

UNREACHABLE_CODE = "store-unreachable"
_ENTRY_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class StoreContext(NamedTuple):
    """Where a store is opened: the folder that relative paths start from, and what reads its secrets.

    ``read_secret`` returns the value of the secret that mlgit.yml binds to a field of the store, by JSON pointer such
    as ``/account_key``, None if none is bound; it raises UserError ``secret-missing``.
    """

    folder: str
    read_secret: Callable[[str], str | None] = lambda _pointer: None


class ObjectStore(Protocol):
    """Keeps contents by digest, and named entries; processes on several machines may use it at once.

    Every method but `local` raises UserError ``store-unreachable`` if the store does not answer, and
    ``store-not-usable`` or ``store-full`` if it answers that it cannot do it. No file is ever in memory as a whole.
    """

    @property
    def location(self) -> str:
        """Where the store is, for messages."""
        ...

    @property
    def id(self) -> str:
        """The id of the store, which never changes; made by the first process that asks."""
        ...

    def find_id(self) -> str:
        """Return the id of the store, "" if it has none: nothing was stored in it yet. Nothing is made."""
        ...

    def put(self, files: Iterable[UploadFile]) -> Content:
        """Store a folder. Files that the store has are not stored again.

        Raises UserError for a path or a link that leaves the folder, and ``file-changed`` for a file that changes
        while it is stored; what ``open`` of a file raises is not caught.
        """
        ...

    def put_file(self, name: str, stream: BinaryIO) -> Content:
        """Store a single file, from where its stream is to the end; the content has its name."""
        ...

    def manifest(self, content: Content) -> tuple[ContentFile, ...]:
        """Return the files of a content, sorted by path; a single file has the name of the content as its path.

        Raises UserError ``content-missing`` or ``content-corrupt`` if the list of a folder cannot be read; the files
        are not checked.
        """
        ...

    def open(self, digest: str) -> BinaryIO:
        """Return the bytes of an object as a stream. Raises UserError ``content-missing`` if the store has no such."""
        ...

    def local(self, digest: str) -> LocalObject | None:
        """Return an object as a file of this machine; None if it is none, or missing. Never asks another machine."""
        ...

    def fetch(self, digests: Iterable[str]) -> None:
        """Bring objects that are about to be read to this machine, all at once, if the store keeps copies on it.

        What is missing or damaged is left out: `open` says so.
        """
        ...

    def grant(self, digests: Iterable[str], access: Access, seconds: int) -> Mapping[str, Grant] | None:
        """Return requests by which another machine reads or creates objects of the store, for so many seconds.

        None if the store cannot give them. What was created so is no content before `assemble` has checked it.
        """
        ...

    def assemble(self, files: Iterable[HashedFile], name: str = "") -> Content:
        """Store a folder of objects that the store has already, or with a name the single file that one of them is.

        It is what `put` would return. Bytes are read only as far as the service does not say what they are. Raises
        UserError ``content-missing`` or ``content-corrupt`` for an object that is not there as it is described, and
        for paths and links as `put`.
        """
        ...

    def missing(self, digests: Iterable[str]) -> frozenset[str]:
        """Return those of the digests that the store does not have, or not all files of; nothing is read to check."""
        ...

    def verify(self, content: Content, *, deep: bool = False) -> tuple[Damage, ...]:
        """Return what of a content is missing or not as it was stored.

        What is known to be unchanged since its bytes were right need not be read; ``deep`` reads every byte.
        """
        ...

    def has_recorded_sha256(self, content: Content) -> bool:
        """Bring a content to this machine; return True unless its bytes and modes have another sha256 than it says.

        A store that only users of this machine write to need not read anything. Raises UserError ``content-missing`` or
        ``content-corrupt``.
        """
        ...

    def keep(self, content: Content) -> bool:
        """Make all objects of a content as young as if they were stored now; return False if one is missing.

        Who uses a content that was stored before keeps it first, so that `remove` leaves it alone. What was stored or
        kept within `FRESH_SECONDS` may stay as it is. `put` and `put_file` do the same with what the store has already.
        """
        ...

    def objects(self) -> Iterator[StoredObject]:
        """Yield all objects, in any order; what others store or remove meanwhile may be left out."""
        ...

    def remove(self, digests: Iterable[str], before: float) -> frozenset[str]:
        """Remove those of the objects that were stored or kept last before a time; return those that it removed.

        That one is old and that it is removed is one step for everyone who stores or keeps it: either it is young and
        stays, or it is gone and is stored again.
        """
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create a named entry and return True; False if there is one of that name, which stays as it is.

        Of all callers, on all machines, one gets True. A name is GROUP/NAME (see `is_entry_name`); this and the
        other methods raise ValueError for any other.
        """
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write a named entry, in place of one that there may be: a reader gets the old data or the new."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the data of a named entry; None if there is none."""
        ...

    def list(self, prefix: str) -> tuple[str, ...]:
        """Return the names of all entries that start with a prefix, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Delete a named entry, if there is one."""
        ...


def is_entry_name(name: str) -> bool:
    """Return True if a text can name an entry in every store.

    It is GROUP/NAME: a group of lower-case letters, digits and hyphens, a name of letters, digits, dots, hyphens and
    underscores, 200 at most.
    """
    return _ENTRY_NAME.fullmatch(name) is not None


def check_entry_name(name: str) -> None:
    """Raise ValueError for what cannot name an entry."""
    if not is_entry_name(name):
        raise ValueError(f"{name!r} is not the name of an entry of a store")


def unreachable_error(location: str, cause: object) -> UserError:
    """Return the error of a store that does not answer."""
    message = f"the object store at {location} does not answer: {cause}"
    return user_error("store-unreachable", message, "check that it runs and that this machine reaches it")
