"""Where data is that no file of the workspace has: the datastores of a workspace, and the paths in them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.data_uris import DEFAULT_DATASTORES, DataUri, find_datastore, parse_data_uri
from reconciler.model import Address, Asset, Record, Spec
from reconciler.planning.datastores import given_datastores
from reconciler.planning.subset import SubsetView

DATASTORE_KIND = "datastore"
_WILDCARD = re.compile(r"[*?\[]")


class DataPlace(NamedTuple):
    """A path of a datastore of the workspace, without a slash at its ends; it may have wildcards."""

    datastore: str
    path: str

    @property
    def has_wildcard(self) -> bool:
        """True if the path stands for all files that match it."""
        return _WILDCARD.search(self.path) is not None

    @property
    def folder(self) -> str:
        """The folder that the files of the place are in: of wildcards, what comes before the first part with one."""
        match = _WILDCARD.search(self.path)
        return self.path[: match.start()].rpartition("/")[0] if match else self.path


@dataclass(frozen=True, slots=True)
class Datastores:
    """The datastores of a workspace: what its files declare, what is live, and what only mlgit.yml has.

    ``known`` are declared by files that were not loaded.
    """

    config: Config
    declared: Mapping[Address, Asset] = field(default_factory=dict)
    current: Mapping[Address, Record] = field(default_factory=dict)
    known: Container[Address] = ()

    def has(self, name: str) -> bool:
        """Return True if there is a datastore of a name."""
        address = Address(DATASTORE_KIND, name)
        return (
            address in given_datastores(self.config)
            or address in self.declared
            or address in self.current
            or address in self.known
        )

    def is_in_store(self, name: str) -> bool:
        """Return True for a datastore that every workspace has and that is nowhere declared: the object store is it."""
        address = Address(DATASTORE_KIND, name)
        is_declared = name in self.config.datastores or address in self.declared or address in self.current
        return name in DEFAULT_DATASTORES and not is_declared and address not in self.known

    def find_place(self, uri: str) -> DataPlace | None:
        """Return the place that a URI names in a datastore of the workspace; None if none has it."""
        parsed = parse_data_uri(uri)
        if parsed is None:
            return None
        name = parsed.datastore if self.has(parsed.datastore) else self._find_by_account(parsed)
        if parsed.datastore.lower() in DEFAULT_DATASTORES:
            name = name or parsed.datastore.lower()
        return DataPlace(name, parsed.path) if name else None

    def live_specs(self) -> Mapping[str, Spec]:
        """Return what the datastores are that are live, by name."""
        addresses = [address for address in self.current if address.kind == DATASTORE_KIND]
        return {address.name: self.current[address].spec for address in addresses}

    def _find_by_account(self, uri: DataUri) -> str:
        return "" if uri.datastore else find_datastore(uri, self._specs())

    def _specs(self) -> Iterator[tuple[str, Spec]]:
        """Yield the datastores with what they are, sorted by name: what a file says counts, not what it is bound to."""
        for name in sorted({*self.config.datastores, *self._names()}):
            address = Address(DATASTORE_KIND, name)
            asset = self.declared.get(address) or self.current.get(address)
            yield name, {**self.config.datastores.get(name, {}), **(asset.spec if asset else {})}

    def _names(self) -> Iterator[str]:
        # A plan of a part iterates over that part only, and the URI may be of any datastore.
        current = self.current.base if isinstance(self.current, SubsetView) else self.current
        for addresses in (self.declared, current):
            yield from (address.name for address in addresses if address.kind == DATASTORE_KIND)


def describe_unknown(uri: str) -> tuple[str, str]:
    """Return why no datastore of the workspace has the place that a URI names, and what the user can do."""
    parsed = parse_data_uri(uri)
    if parsed is None:
        return f"mlgit cannot read {uri}: it is in no datastore, and behind no https URL", ""
    if parsed.datastore:
        message = f"there is no datastore {parsed.datastore}, which {uri} names"
        return message, f"declare it in a file, or under datastores: in mlgit.yml; correct {parsed.datastore} if not"
    holder = f"the container {parsed.container} of the account {parsed.account}" if parsed.container else parsed.account
    message = f"no datastore of this workspace has {holder}, which {uri} names"
    return message, "declare a datastore with that account, in a file or under datastores: in mlgit.yml"
