"""The assets of a workspace as values, and the checks across its files; ``format.load`` loads them from files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.data_references import DEFAULT_DATASTORE_ADDRESSES, is_data_reference, with_datastore_names
from reconciler.format.document import Document
from reconciler.format.inlining import find_place
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.output_assets import assets_of_outputs, place_in_file
from reconciler.format.workspace_rules import (
    MAX_SUGGESTIONS,
    bound_reference_diagnostic,
    check_address_case,
    dangling_reference_diagnostic,
    duplicate_address_diagnostic,
    removed_reference_diagnostic,
)
from reconciler.model import EMPTY_MAPPING, Address, Asset, FileReader

# Always errors when planning: a rule in mlgit.yml can lower them for validate only.
_STRICT_CODES = frozenset({"secret-literal"})
_NAME_LINE = re.compile(r"""^name:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)


class AssetSet(NamedTuple):
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
    faulty: Mapping[Address, Asset] = MappingProxyType({})
    unreadable_names: frozenset[str] = frozenset()
    unreadable_files: Mapping[str, frozenset[str]] = EMPTY_MAPPING
    known: frozenset[Address] = frozenset()
    sources: Mapping[Address, tuple[str, ...]] = MappingProxyType({})
    files: FileReader | None = None

    @property
    def readable_assets(self) -> Mapping[Address, Asset]:
        """The assets by address, with those of files with errors."""
        return {**self.faulty, **self.assets} if self.faulty else self.assets

    def value_span(self, asset: Asset, pointer: str) -> Span:
        """Return the span of a value in an asset's spec: in its file, or in the file that this one includes."""
        pointer = place_in_file(asset, pointer)
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


class _Declaration(NamedTuple):
    """What declares an address: a file or, if the asset has a place, an output of the job in a file."""

    file: LoadedFile
    asset: Asset | None
    files: FileReader

    def span(self) -> Span:
        """Return the span of the name."""
        place = place_in_file(self.asset, "/name") if self.asset else "/name"
        document, pointer = find_place(self.file.document, self.file.path, place, self.files)
        return document.value_span(pointer)

    def __str__(self) -> str:
        return str(self.span()) if self.asset and self.asset.place else self.file.document.path


def _declared_in(file: LoadedFile) -> Iterator[tuple[Address, Asset | None]]:
    """Yield the addresses that a file declares, with the assets as far as they can be read."""
    asset = file.asset or file.faulty
    if file.address is not None:
        yield file.address, asset
    for output in assets_of_outputs(asset) if asset else ():
        yield output.address, output


def build_asset_set(loaded_files: Iterable[LoadedFile], files: FileReader) -> AssetSet:
    """Return the assets of loaded files, with those that jobs register from their outputs.

    Of two with the same address the first counts, the second is an error. ``files`` has the files that these include.
    """
    assets: dict[Address, Asset] = {}
    documents: dict[str, Document] = {}
    diagnostics: list[Diagnostic] = []
    invalid: set[Address] = set()
    unreadable: dict[str, frozenset[str]] = {}
    declarations: dict[Address, list[_Declaration]] = {}
    faulty: dict[Address, Asset] = {}
    for file in loaded_files:
        documents[file.path] = file.document
        diagnostics += file.diagnostics
        if file.address is None:
            if has_errors(file.diagnostics):
                unreadable[file.document.path] = possible_names(file.document)
            continue
        for address, asset in _declared_in(file):
            declaration = _Declaration(file, asset, files)
            own = declarations.setdefault(address, [])
            own.append(declaration)
            if len(own) > 1:
                diagnostics.append(duplicate_address_diagnostic(declaration.span(), address, str(own[0])))
            if file.asset is None:
                invalid.add(address)
                faulty |= {address: asset} if asset else {}
            elif asset is not None:
                assets.setdefault(address, asset)
    diagnostics += check_address_case((address, items[0].span) for address, items in declarations.items())
    sources = {address: tuple(item.file.path for item in items) for address, items in declarations.items()}
    names = frozenset(name for group in unreadable.values() for name in group)
    named = with_datastore_names({**faulty, **assets})
    assets, faulty = ({address: named[address] for address in items} for items in (assets, faulty))
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
    given: Collection[Address] = DEFAULT_DATASTORE_ADDRESSES,
) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each dangling reference: its asset is neither declared nor in the live state.

    ``referencable`` are the live assets that can be referenced; without them a dangling reference is a warning,
    because its asset may be live. ``removal_hints`` has a hint for each live asset that the plan removes.
    ``backend_of`` returns the backend that mlgit.yml binds an asset to, which then needs no file: a warning. What is
    ``given`` needs none. All references to one missing asset are one diagnostic. A datastore that is missing
    refuses single assets of a plan, and runs of jobs: it is left to these.
    """
    dangling: dict[Address, list[tuple[str, Span]]] = {}
    for asset in declared.readable_assets.values():
        for reference in asset.references:
            address = reference.address
            is_missing = not _is_declared(declared, address) and (referencable is None or address not in referencable)
            is_refusal = is_data_reference(reference) and (referencable is not None or kind_of(asset).is_runnable)
            if is_missing and address not in given and not is_refusal:
                span = declared.value_span(asset, reference.pointer)
                dangling.setdefault(address, []).append((reference.text, span))
    severity = Severity.WARNING if referencable is None else Severity.ERROR
    hints, names = removal_hints or {}, (*declared.assets, *declared.known, *given)
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
        diagnostic._replace(severity=Severity.ERROR) if diagnostic.code in _STRICT_CODES else diagnostic
        for diagnostic in diagnostics
    )


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_by_name(asset.address.kind)
