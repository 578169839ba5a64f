"""What can be wrong between the files of a workspace: one address declared twice, a reference that names nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.document import Document
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Asset, Reference


def duplicate_asset_diagnostic(document: Document, asset: Asset, first: str) -> Diagnostic:
    """Say that another file, ``first``, declares the same address."""
    return duplicate_address_diagnostic(document.value_span("/name"), asset.address, first)


def duplicate_address_diagnostic(place: Span, address: Address, first: str) -> Diagnostic:
    """Say that what is declared at a place is declared in another file, ``first``, too."""
    message = f"{address} is declared here and in {first}"
    return Diagnostic("declared-twice", message, place, "give one of them another name")


def check_address_case(declared: Iterable[tuple[Address, Document]]) -> Iterator[Diagnostic]:
    """Yield the addresses that differ from an earlier one in capitals only: one slip makes the one of the other."""
    seen: dict[str, Address] = {}
    for address, document in declared:
        other = seen.setdefault(str(address).casefold(), address)
        if other != address:
            message = f"{address} differs from {other} in capitals only"
            hint = "they are two assets here; Azure ML, and folders of macOS and Windows, may take them for one"
            yield Diagnostic("address-alike", message, document.value_span("/name"), hint, Severity.NOTE)


def check_reference(
    document: Document,
    reference: Reference,
    declared: Mapping[Address, object],
    known: Container[Address] | None,
    gone: str = "",
) -> Diagnostic | None:
    """Say that a reference names nothing that is declared or, where ``known`` is given, live.

    ``gone`` says how what it names has left Git, where that is so.
    """
    address = reference.address
    if address in declared or (known is not None and address in known):
        return None
    place = document.value_span(reference.pointer)
    if gone:
        message = f"{reference.text} names {address}, which has left Git"
        return Diagnostic("reference-dangling", message, place, gone)
    severity = Severity.WARNING if known is None else Severity.ERROR
    return unknown_reference_diagnostic(reference.text, address, place, declared, severity)


def unknown_reference_diagnostic(
    text: str, address: Address, place: Span, names: Iterable[Address], severity: Severity = Severity.WARNING
) -> Diagnostic:
    """Say that a mention names nothing; ``names`` are those that it may have meant."""
    where = "declared" if severity is Severity.WARNING else "declared or live"
    close = did_you_mean(address.name, [name.name for name in names if name.kind == address.kind])
    hint = close or f"declare it in a file of its own, or correct the {address.kind} name"
    return Diagnostic("reference-dangling", f"{text} names {address}, which is not {where}", place, hint, severity)
