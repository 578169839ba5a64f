"""What the files of a workspace declare together, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.include import IncludeGlob
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.load import LoadedFile, load_asset_file
from reconciler.format.rules.workspace import check_address_case, check_reference, duplicate_asset_diagnostic
from reconciler.model import EMPTY_MAPPING, Address, Asset, FileReader

# What nothing may be done with, though a file with it can be valid.
_STRICT_CODES = frozenset({"secret-literal"})


@dataclass(frozen=True, slots=True)
class AssetSet:
    """What a tree declares: assets by address, the documents they stand in by path, and what is wrong.

    ``broken`` are the addresses of files with errors: there is no asset, and what refers to one is not to blame.
    """

    assets: Mapping[Address, Asset]
    documents: Mapping[str, Document]
    diagnostics: tuple[Diagnostic, ...]
    invalid_addresses: frozenset[Address] = frozenset()


def load_assets(
    files: FileReader, paths: Iterable[tuple[str, IncludeGlob]], rules: Mapping[str, str] = EMPTY_MAPPING
) -> AssetSet:
    """Read the assets among the files: path from the top of the repository, and what mlgit.yml says of it."""
    readings = (load_asset_file(files, path, glob, rules) for path, glob in paths)
    return build_asset_set(reading for reading in readings if reading is not None)


def build_asset_set(readings: Iterable[LoadedFile]) -> AssetSet:
    """Put readings together; an address that is declared twice is a diagnostic, and the first stays."""
    assets: dict[Address, Asset] = {}
    documents: dict[str, Document] = {}
    problems: list[Diagnostic] = []
    broken: set[Address] = set()
    for reading in readings:
        documents[reading.path] = reading.document
        problems += reading.diagnostics
        if reading.asset is None:
            broken |= {reading.address} if reading.address else set()
            continue
        first = assets.setdefault(reading.asset.address, reading.asset)
        if first is not reading.asset:
            problems.append(duplicate_asset_diagnostic(reading.document, reading.asset, documents[first.source].path))
    problems += check_address_case((asset.address, documents[asset.source]) for asset in assets.values())
    return AssetSet(assets, documents, tuple(problems), frozenset(broken))


def check_references(
    declared: AssetSet, known: Container[Address] | None = None, gone: Mapping[Address, str] | None = None
) -> tuple[Diagnostic, ...]:
    """Say which references name nothing: nothing declared and, where ``known`` is given, nothing live.

    Without ``known`` they are warnings, because what they name may be live. ``gone`` has what is live and about to
    leave, with what to say of it.
    """
    left = gone or {}
    found = (
        check_reference(
            declared.documents[asset.source], reference, declared.assets, known, left.get(reference.address, "")
        )
        for asset in declared.assets.values()
        for reference in asset.references
        if reference.address not in declared.invalid_addresses
    )
    return tuple(diagnostic for diagnostic in found if diagnostic is not None)


def escalate_severities(problems: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return problems as they count before something is done: a secret in a file is an error then, whatever else."""
    return tuple(
        replace(diagnostic, severity=Severity.ERROR) if diagnostic.code in _STRICT_CODES else diagnostic
        for diagnostic in problems
    )


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_by_name(asset.address.kind)
