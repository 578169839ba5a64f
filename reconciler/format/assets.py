"""The assets of a workspace as values, and the checks across its files; ``format.load`` loads them from files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.document import Document
from reconciler.format.inlining import find_place
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.workspace_rules import (
    MAX_SUGGESTIONS,
    bound_reference_diagnostic,
    check_address_case,
    dangling_reference_diagnostic,
    duplicate_asset_diagnostic,
    removed_reference_diagnostic,
)
from reconciler.model import Address, Asset, FileReader

# Always errors when planning: a rule in mlgit.yml can lower them for validate only.
_STRICT_CODES = frozenset({"secret-literal"})
_NAME_LINE = re.compile(r"""^name:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class AssetSet:
    """The assets of a tree by address, their documents by path, and the diagnostics.

    ``invalid_addresses`` are those of files with errors, which give no asset; a reference to one is not dangling.
    ``faulty`` are the assets of such files as far as they can be read, for the checks across files. A file that is not
    even YAML may declare any of ``unreadable_names``; ``unreadable_files`` has those of each such file, by the path
    that the user sees. ``known`` are declared by files that were not loaded. ``sources``
    are all files that declare an address, with errors or not. ``files`` has the files that others include.
    """

    assets: Mapping[Address, Asset]
    documents: Mapping[str, Document]
    diagnostics: tuple[Diagnostic, ...]
    invalid_addresses: frozenset[Address] = frozenset()
    faulty: Mapping[Address, Asset] = field(default_factory=dict)
    unreadable_names: frozenset[str] = frozenset()
    unreadable_files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    known: frozenset[Address] = frozenset()
    sources: Mapping[Address, tuple[str, ...]] = field(default_factory=dict)
    files: FileReader | None = field(default=None, compare=False, repr=False)

    @property
    def readable_assets(self) -> Mapping[Address, Asset]:
        """The assets by address, with those of files with errors."""
        return {**self.faulty, **self.assets} if self.faulty else self.assets

    def value_span(self, asset: Asset, pointer: str) -> Span:
        """Return the span of a value in an asset's spec: in its file, or in the file that this one includes."""
        document, place = find_place(self.documents[asset.source], asset.source, pointer, self.files)
        return document.value_span(place)


class LoadedFile(NamedTuple):
    """A file that is, or is meant to be, an asset; ``asset`` is None if there are errors.

    ``address`` is that of the asset, also if there are errors; ``faulty`` is then the asset as far as it can be read,
    so that what is wrong between files is reported together with what is wrong in this one.
    """

    path: str
    document: Document
    kind: Kind | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...]
    address: Address | None = None
    faulty: Asset | None = None


def build_asset_set(loaded_files: Iterable[LoadedFile], files: FileReader) -> AssetSet:
    """Return the assets of loaded files; of two with the same address the first counts, the second is an error.

    ``files`` has the files that these include.
    """
    assets: dict[Address, Asset] = {}
    documents: dict[str, Document] = {}
    diagnostics: list[Diagnostic] = []
    invalid: set[Address] = set()
    unreadable: dict[str, frozenset[str]] = {}
    sources: dict[Address, tuple[str, ...]] = {}
    faulty: dict[Address, Asset] = {}
    for file in loaded_files:
        documents[file.path] = file.document
        diagnostics += file.diagnostics
        if file.address is None:
            if has_errors(file.diagnostics):
                unreadable[file.document.path] = possible_names(file.document)
            continue
        sources[file.address] = (*sources.get(file.address, ()), file.path)
        if len(sources[file.address]) > 1:
            first = documents[sources[file.address][0]].path
            diagnostics.append(duplicate_asset_diagnostic(file.document, file.address, first))
        if file.asset is None:
            invalid.add(file.address)
            faulty |= {file.address: file.faulty} if file.faulty else {}
        else:
            assets.setdefault(file.address, file.asset)
    diagnostics += check_address_case((address, documents[paths[0]]) for address, paths in sources.items())
    names = frozenset(name for group in unreadable.values() for name in group)
    invalid_addresses = frozenset(invalid)
    return AssetSet(
        assets,
        documents,
        tuple(diagnostics),
        invalid_addresses,
        faulty,
        names,
        unreadable,
        sources=sources,
        files=files,
    )


def possible_names(document: Document) -> frozenset[str]:
    """Return the names that a file may declare which cannot be read: those that it seems to write, and its own."""
    own = posixpath.splitext(posixpath.basename(document.path))[0]
    return frozenset({own, *(match[1] for match in _NAME_LINE.finditer(document.unparsed))})


def check_references(
    declared: AssetSet,
    referencable: Container[Address] | None = None,
    removal_hints: Mapping[Address, str] | None = None,
    backend_of: Callable[[Address], str] = lambda _address: "",
) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each dangling reference: its asset is neither declared nor in the live state.

    ``referencable`` are the live assets that can be referenced; without them a dangling reference is a warning,
    because its asset may be live. ``removal_hints`` has a hint for each live asset that the plan removes.
    ``backend_of`` returns the backend that mlgit.yml binds an asset to, which then needs no file: a warning. All
    references to one missing asset are one diagnostic.
    """
    dangling: dict[Address, list[tuple[str, Span]]] = {}
    for asset in declared.readable_assets.values():
        for reference in asset.references:
            address = reference.address
            if not _is_declared(declared, address) and (referencable is None or address not in referencable):
                span = declared.value_span(asset, reference.pointer)
                dangling.setdefault(address, []).append((reference.text, span))
    severity = Severity.WARNING if referencable is None else Severity.ERROR
    hints, names = removal_hints or {}, (*declared.assets, *declared.known)
    return tuple(
        bound_reference_diagnostic(address, uses, backend)
        if (backend := backend_of(address))
        else removed_reference_diagnostic(address, uses, hints[address])
        if address in hints
        else dangling_reference_diagnostic(address, uses, names if index < MAX_SUGGESTIONS else (), severity)
        for index, (address, uses) in enumerate(dangling.items())
    )


def _is_declared(declared: AssetSet, address: Address) -> bool:
    """Return True if a file declares an address, or may declare it if its errors are corrected."""
    return (
        address in declared.assets
        or address in declared.known
        or address in declared.invalid_addresses
        or address.name in declared.unreadable_names
    )


def escalate_severities(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics as they count when planning: a literal secret is an error whatever mlgit.yml says."""
    return tuple(
        replace(diagnostic, severity=Severity.ERROR) if diagnostic.code in _STRICT_CODES else diagnostic
        for diagnostic in diagnostics
    )


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_by_name(asset.address.kind)
