"""The assets of a workspace as values, and the checks across its files; ``format.load`` loads them from files."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.workspace_rules import check_address_case, check_reference, duplicate_asset_diagnostic
from reconciler.model import Address, Asset

# Always errors when planning: a rule in mlgit.yml can lower them for validate only.
_STRICT_CODES = frozenset({"secret-literal"})


@dataclass(frozen=True, slots=True)
class AssetSet:
    """The assets of a tree by address, their documents by path, and the diagnostics.

    ``invalid_addresses`` are those of files with errors, which give no asset; a reference to one is not dangling.
    """

    assets: Mapping[Address, Asset]
    documents: Mapping[str, Document]
    diagnostics: tuple[Diagnostic, ...]
    invalid_addresses: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file that is, or is meant to be, an asset; ``asset`` is None if there are errors.

    ``address`` is that of the asset, also if there are errors.
    """

    path: str
    document: Document
    kind: Kind | None
    asset: Asset | None
    diagnostics: tuple[Diagnostic, ...]
    address: Address | None = None


def build_asset_set(loaded_files: Iterable[LoadedFile]) -> AssetSet:
    """Return the assets of loaded files; of two with the same address the first counts, the second is an error."""
    assets: dict[Address, Asset] = {}
    documents: dict[str, Document] = {}
    diagnostics: list[Diagnostic] = []
    invalid: set[Address] = set()
    for file in loaded_files:
        documents[file.path] = file.document
        diagnostics += file.diagnostics
        if file.asset is None:
            invalid |= {file.address} if file.address else set()
            continue
        first = assets.setdefault(file.asset.address, file.asset)
        if first is not file.asset:
            diagnostics.append(duplicate_asset_diagnostic(file.document, file.asset, documents[first.source].path))
    diagnostics += check_address_case((asset.address, documents[asset.source]) for asset in assets.values())
    return AssetSet(assets, documents, tuple(diagnostics), frozenset(invalid))


def check_references(
    declared: AssetSet,
    referencable: Container[Address] | None = None,
    removal_hints: Mapping[Address, str] | None = None,
) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each dangling reference: its asset is neither declared nor in the live state.

    ``referencable`` are the live assets that can be referenced; without them a dangling reference is a warning,
    because its asset may be live. ``removal_hints`` has a hint for each live asset that the plan removes.
    """
    hints = removal_hints or {}
    diagnostics = (
        check_reference(
            declared.documents[asset.source],
            reference,
            declared.assets,
            referencable,
            hints.get(reference.address, ""),
        )
        for asset in declared.assets.values()
        for reference in asset.references
        if reference.address not in declared.invalid_addresses
    )
    return tuple(diagnostic for diagnostic in diagnostics if diagnostic is not None)


def escalate_severities(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics as they count when planning: a literal secret is an error whatever mlgit.yml says."""
    return tuple(
        replace(diagnostic, severity=Severity.ERROR) if diagnostic.code in _STRICT_CODES else diagnostic
        for diagnostic in diagnostics
    )


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_by_name(asset.address.kind)
