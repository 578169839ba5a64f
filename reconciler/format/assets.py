"""What the files of a workspace declare together, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.config import Glob
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_named
from reconciler.format.reading import Reading, read
from reconciler.format.rules.workspace import alike, dangling, declared_twice
from reconciler.format.yaml import Document
from reconciler.model import NOTHING, Address, Asset, Files

# What nothing may be done with, though a file with it can be valid.
_STRICT = frozenset({"secret-literal"})


@dataclass(frozen=True, slots=True)
class Declared:
    """What a tree declares: assets by address, the documents they stand in by path, and what is wrong.

    ``broken`` are the addresses of files with errors: there is no asset, and what refers to one is not to blame.
    """

    assets: Mapping[Address, Asset]
    documents: Mapping[str, Document]
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[Address] = frozenset()


def declare(files: Files, paths: Iterable[tuple[str, Glob]], rules: Mapping[str, str] = NOTHING) -> Declared:
    """Read the assets among the files: path from the top of the repository, and what mlgit.yml says of it."""
    readings = (read(files, path, glob, rules) for path, glob in paths)
    return together(reading for reading in readings if reading is not None)


def together(readings: Iterable[Reading]) -> Declared:
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
            problems.append(declared_twice(reading.document, reading.asset, documents[first.source].path))
    problems += alike((each.address, documents[each.source]) for each in assets.values())
    return Declared(assets, documents, tuple(problems), frozenset(broken))


def unresolved(
    declared: Declared, known: Container[Address] | None = None, gone: Mapping[Address, str] | None = None
) -> tuple[Diagnostic, ...]:
    """Say which references name nothing: nothing declared and, where ``known`` is given, nothing live.

    Without ``known`` they are warnings, because what they name may be live. ``gone`` has what is live and about to
    leave, with what to say of it.
    """
    left = gone or {}
    found = (
        dangling(declared.documents[asset.source], reference, declared.assets, known, left.get(reference.address, ""))
        for asset in declared.assets.values()
        for reference in asset.references
        if reference.address not in declared.broken
    )
    return tuple(each for each in found if each is not None)


def strict(problems: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return problems as they count before something is done: a secret in a file is an error then, whatever else."""
    return tuple(replace(each, severity=Severity.ERROR) if each.code in _STRICT else each for each in problems)


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_named(asset.address.kind)
