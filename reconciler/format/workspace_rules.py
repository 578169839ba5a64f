"""The checks across the files of a workspace: duplicate addresses and dangling references."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address

_COMPUTE_SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json"
Uses = Sequence[tuple[str, Span]]
"""References to one address: their texts and positions."""

DECLARED_TWICE = "declared-twice"
MAX_SUGGESTIONS = 20  # dangling references for which a similar name is searched, which takes long


def duplicate_address_diagnostic(span: Span, address: Address, first: str) -> Diagnostic:
    """Return the diagnostic that the address declared at a span is also declared in another file, ``first``."""
    message = f"{address} is also declared in {first}"
    return Diagnostic(DECLARED_TWICE, message, span, "rename one of them")


def check_address_case(declared: Iterable[tuple[Address, Callable[[], Span]]]) -> Iterator[Diagnostic]:
    """Yield the addresses that differ from an earlier one only in case; the functions return where that is said."""
    first_spellings: dict[str, Address] = {}
    for address, find_span in declared:
        first = first_spellings.setdefault(str(address).casefold(), address)
        if first != address:
            message = f"{address} differs from {first} only in case"
            hint = "mlgit has two assets; Azure ML, and the file systems of macOS and Windows, may treat them as one"
            yield Diagnostic("address-alike", message, find_span(), hint, Severity.NOTE)


def compute_file_path(name: str) -> str:
    """Return where a file for a compute may be written."""
    return f"compute/{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.yml"


def compute_file_lines(name: str) -> tuple[str, ...]:
    """Return the four lines that declare a compute; its size matters to Azure ML only."""
    written = name if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) else json.dumps(name)
    return _COMPUTE_SCHEMA, f"name: {written}", "type: amlcompute", "size: Standard_DS3_v2"


def dangling_reference_diagnostic(
    address: Address, uses: Uses, names: Iterable[Address], severity: Severity = Severity.WARNING
) -> Diagnostic:
    """Return the diagnostic of all references to an address that is missing; ``names`` may be suggested."""
    close = did_you_mean(address.name, [name.name for name in names if name.kind == address.kind])
    hint = close or f"declare it in a file, or correct the name of the {address.kind}"
    return _reference_diagnostic(address, uses, "is not declared", hint, severity)


def removed_reference_diagnostic(address: Address, uses: Uses, hint: str) -> Diagnostic:
    """Return the diagnostic of all references to an address that was removed from Git."""
    return _reference_diagnostic(address, uses, "is no longer in Git", hint)


def bound_reference_diagnostic(address: Address, uses: Uses, backend: str) -> Diagnostic:
    """Return the warning about all references to a compute that has no file, but a backend in mlgit.yml."""
    fact = f"is not declared; mlgit.yml binds it to the backend {backend}"
    hint = f"to declare it, write {compute_file_path(address.name)}:"
    diagnostic = _reference_diagnostic(address, uses, fact, hint, Severity.WARNING)
    return diagnostic._replace(example=compute_file_lines(address.name))


def _reference_diagnostic(
    address: Address, uses: Uses, fact: str, hint: str, severity: Severity = Severity.ERROR
) -> Diagnostic:
    (text, span), *others = uses
    places = tuple(dict.fromkeys(place for _, place in others if place != span))
    message = f"{text} refers to {address}, which {fact}"
    return Diagnostic("reference-dangling", message, span, hint, severity, places)
