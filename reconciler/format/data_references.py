"""References to datastores: the URIs of data, which name a datastore, or the account and the container of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.format.data_uris import DEFAULT_DATASTORES, find_datastore, parse_data_uri
from reconciler.format.kinds.datastore import KIND as DATASTORE
from reconciler.model import Address, Asset, Reference, Spec

_BINDING = "${{"
DEFAULT_DATASTORE_ADDRESSES = frozenset(Address(DATASTORE.name, name) for name in DEFAULT_DATASTORES)


def make_data_reference(pointer: str, text: str) -> Reference | None:
    """Return the reference to the datastore that has what a URI names; its name is blank if the URI does not say it."""
    uri = parse_data_uri(text)
    if uri and _BINDING in uri.datastore:
        return None
    return Reference(pointer, text, Address(DATASTORE.name, uri.datastore), path=uri.path) if uri else None


def is_data_reference(reference: Reference) -> bool:
    """Return True if a reference is a URI of data in a datastore: it counts by its text, not by what it refers to."""
    return reference.address.kind == DATASTORE.name


def datastore_addresses(names: Iterable[str]) -> frozenset[Address]:
    """Return the addresses of datastores."""
    return frozenset(Address(DATASTORE.name, name) for name in names)


def with_datastore_names(assets: Mapping[Address, Asset]) -> dict[Address, Asset]:
    """Return assets whose URLs of storage services refer to the datastores that have their account and container.

    What is in none of these datastores is no reference.
    """
    unnamed = [item for item in assets.values() if any(_is_unnamed(reference) for reference in item.references)]
    if not unnamed:
        return dict(assets)
    specs = [(address.name, asset.spec) for address, asset in assets.items() if address.kind == DATASTORE.name]
    named = {
        asset.address: asset._replace(references=tuple(_named_references(asset.references, specs))) for asset in unnamed
    }
    return {address: named.get(address, asset) for address, asset in assets.items()}


def _is_unnamed(reference: Reference) -> bool:
    return is_data_reference(reference) and not reference.address.name


def _named_references(references: Iterable[Reference], datastores: Sequence[tuple[str, Spec]]) -> Iterator[Reference]:
    for reference in references:
        uri = parse_data_uri(reference.text) if _is_unnamed(reference) else None
        if uri is None:
            yield reference
        elif name := find_datastore(uri, datastores):
            yield reference._replace(address=Address(DATASTORE.name, name))
