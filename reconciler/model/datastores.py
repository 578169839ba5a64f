"""The protocol of datastores: files of a storage service by path. The contract tests run on every type of datastore."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple, Protocol, Self

from reconciler.diagnostics import user_error
from reconciler.model.assets import Json, Spec


class Identity(NamedTuple):
    """What a service says of a file by which a change of its bytes is seen without reading them.

    ``etag``, or ``version`` where the service keeps versions, decides if the service has one; else ``size`` and
    ``modified``, an ISO 8601 time in UTC. Of a folder, ``etag`` is the digest of the identities of its files.
    """

    size: int
    etag: str = ""
    modified: str = ""
    version: str = ""

    def __str__(self) -> str:
        name = f"ETag {self.etag}" if self.etag else f"modified {self.modified}"
        return f"{name}, {self.size:,} bytes"

    def to_json(self) -> dict[str, Json]:
        """Return the identity as records keep it; `from_json` reads it back."""
        texts = {"etag": self.etag, "modified": self.modified, "version": self.version}
        return {"size": self.size, **{name: text for name, text in texts.items() if text}}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the identity that a record keeps; other keys are ignored."""
        return cls(document["size"], *(document.get(name, "") for name in ("etag", "modified", "version")))


class DatastoreEntry(NamedTuple):
    """A file or a folder of a datastore; ``path`` is from the root of the datastore, without a slash at its ends."""

    path: str
    identity: Identity
    is_folder: bool = False


class Location(NamedTuple):
    """Where data is that mlgit does not store: a URI, the datastore and the path in it, and what was found there.

    ``datastore`` is "" for a URL that no datastore has. It pins what the URI stood for when it was registered.
    ``root`` is where the datastore was then: its name can be bound to another place later, or in another workspace.
    """

    uri: str
    datastore: str
    path: str
    identity: Identity
    is_folder: bool = False
    root: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the location as records keep it; `from_json` reads it back."""
        return {
            "uri": self.uri,
            "datastore": self.datastore,
            "path": self.path,
            "folder": self.is_folder,
            **({"root": self.root} if self.root else {}),
            **self.identity.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the location that a record keeps; other keys are ignored."""
        identity = Identity.from_json(document)
        place = (document["uri"], document["datastore"], document["path"])
        return cls(*place, identity, document["folder"], document.get("root", ""))


class Datastore(Protocol):
    """The files of one container, share, bucket or folder of a storage service.

    Paths are relative to its root, with ``/`` between names, and never leave it. Every method raises UserError with a
    code of `storage.datastores`' table (``datastore-unreachable``, ``datastore-denied``, ``datastore-path-missing``,
    ...), whose message has the datastore, the URI, the name of the credential, and what the service said. No file is
    ever in memory as a whole.
    """

    @property
    def location(self) -> str:
        """Where it is, for messages: a URI without secrets."""
        ...

    @property
    def ignores_case(self) -> bool:
        """True if names that differ only in upper and lower case are one file; a plug-in may lack it, for False."""
        ...

    def check(self) -> None:
        """Raise UserError if the container, share or bucket cannot be reached with the credentials."""
        ...

    def stat(self, path: str) -> DatastoreEntry:
        """Return the file or folder at a path; the identity of a folder is blank: `folder_identity` has it."""
        ...

    def list(self, path: str, *, recursive: bool = True) -> Iterator[DatastoreEntry]:
        """Yield the files below a folder, sorted by path; unless ``recursive`` its own files and folders."""
        ...

    def open(self, path: str, identity: Identity | None = None) -> BinaryIO:
        """Return the bytes of a file as a stream; ``identity`` is checked where the service can do so while it reads.

        Raises UserError ``datastore-file-changed`` if the file is no longer that of the identity.
        """
        ...

    def write(self, path: str, stream: BinaryIO) -> DatastoreEntry:
        """Write a file, in place of one that there may be; it is complete or not there at all, if the service can."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file, if there is one."""
        ...


class DatastoreSettings(NamedTuple):
    """What opens a datastore: its name, its type, the spec of its asset, and its block under ``datastores:``.

    ``spec`` is empty for a datastore that only mlgit.yml has. ``read_secret`` returns the value of the secret that is
    bound to a field of it, by JSON pointer such as ``/credentials/account_key``, None if none is bound; it raises
    UserError ``secret-missing``. ``secret_name`` returns the name of that secret, "" if none is bound.
    ``folder`` is the folder of mlgit.yml, for relative paths.
    """

    name: str
    type: str
    spec: Spec
    settings: Mapping[str, Json]
    read_secret: Callable[[str], str | None]
    secret_name: Callable[[str], str]
    folder: str


OpenDatastore = Callable[[str], Datastore]
"""Opens a datastore of a workspace by its name; raises UserError ``datastore-unknown``, or what opening it raises."""


def ignores_case(datastore: Datastore) -> bool:
    """Return True if names that differ only in upper and lower case are one file of a datastore."""
    return bool(getattr(datastore, "ignores_case", False))


def check_names(datastore: Datastore, paths: Iterable[str]) -> None:
    """Raise UserError ``datastore-names-alike`` if files to be written would be one file of a datastore."""
    written: dict[str, str] = {}
    for path in sorted(paths) if ignores_case(datastore) else ():
        other = written.setdefault(path.lower(), path)
        if other != path:
            message = f"{datastore.location} ignores upper and lower case: {other} and {path} would be one file"
            raise user_error("datastore-names-alike", message, "rename one of them; nothing was written")


def is_same_identity(first: Identity, second: Identity) -> bool:
    """Return True if two identities are of the same bytes, by what decides: ETag, version, or size and time."""
    for name in ("etag", "version"):
        values = [str(getattr(identity, name)).removeprefix("W/").strip('"') for identity in (first, second)]
        if all(values):
            return values[0] == values[1]
    return (first.size, first.modified) == (second.size, second.modified)


def folder_identity(files: Iterable[DatastoreEntry], folder: str) -> Identity:
    """Return the identity of a folder from those of its files: the size of all, and a digest as ETag."""
    entries = sorted(files)
    rows = [[file.path.removeprefix(f"{folder}/"), *file.identity] for file in entries]
    digest = hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:32]
    return Identity(sum(file.identity.size for file in entries), etag=digest)
