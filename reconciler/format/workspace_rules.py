"""The checks across the files of a workspace: duplicate addresses and dangling references."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.document import Document
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Asset, Reference


def duplicate_asset_diagnostic(document: Document, asset: Asset, first: str) -> Diagnostic:
    """Return the diagnostic that another file, ``first``, declares the same address."""
    return duplicate_address_diagnostic(document.value_span("/name"), asset.address, first)


def duplicate_address_diagnostic(span: Span, address: Address, first: str) -> Diagnostic:
    """Return the diagnostic that the address declared at a span is also declared in another file, ``first``."""
    message = f"{address} is also declared in {first}"
    return Diagnostic("declared-twice", message, span, "rename one of them")


def check_address_case(declared: Iterable[tuple[Address, Document]]) -> Iterator[Diagnostic]:
    """Yield the addresses that differ from an earlier one only in case."""
    first_spellings: dict[str, Address] = {}
    for address, document in declared:
        first = first_spellings.setdefault(str(address).casefold(), address)
        if first != address:
            message = f"{address} differs from {first} only in case"
            hint = "mlgit has two assets; Azure ML, and the file systems of macOS and Windows, may treat them as one"
            yield Diagnostic("address-alike", message, document.value_span("/name"), hint, Severity.NOTE)


def check_reference(
    document: Document,
    reference: Reference,
    declared: Mapping[Address, object],
    live_addresses: Container[Address] | None,
    removal_hint: str = "",
) -> Diagnostic | None:
    """Return the diagnostic of a reference whose target is neither declared nor, if ``live_addresses`` is given, live.

    ``removal_hint`` is the hint if the target was removed from Git.
    """
    address = reference.address
    if address in declared or (live_addresses is not None and address in live_addresses):
        return None
    span = document.value_span(reference.pointer)
    if removal_hint:
        message = f"{reference.text} refers to {address}, which is no longer in Git"
        return Diagnostic("reference-dangling", message, span, removal_hint)
    severity = Severity.WARNING if live_addresses is None else Severity.ERROR
    return unknown_reference_diagnostic(reference.text, address, span, declared, severity)


def unknown_reference_diagnostic(
    text: str, address: Address, span: Span, names: Iterable[Address], severity: Severity = Severity.WARNING
) -> Diagnostic:
    """Return the diagnostic of a reference to an unknown address; ``names`` are the candidates for a suggestion."""
    scope = "declared" if severity is Severity.WARNING else "declared or live"
    close = did_you_mean(address.name, [name.name for name in names if name.kind == address.kind])
    hint = close or f"declare it in a file, or correct the name of the {address.kind}"
    return Diagnostic("reference-dangling", f"{text} refers to {address}, which is not {scope}", span, hint, severity)
