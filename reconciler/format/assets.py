"""Documents to assets: what the files of a workspace declare, with everything that is wrong in them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format import rules
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_named, recognise
from reconciler.format.references import mentions
from reconciler.format.schemas import check
from reconciler.format.yaml import Document, parse
from reconciler.model import Address, Asset, Json, LocalPath, Reference, Spec, Tree

# What means to be an asset, readable or not: it names a schema of Azure ML, of whatever kind.
_MEANT = re.compile(rb"""^["']?\$schema["']?\s*:.*azureml""", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a tree declares: assets by address, the documents they stand in by path, and what is wrong."""

    assets: Mapping[Address, Asset]
    documents: Mapping[str, Document]
    diagnostics: tuple[Diagnostic, ...]


def declare(tree: Tree, files: Iterable[tuple[str, bool]]) -> Declared:
    """Read the assets among the files: (path from the top of the repository, whether apply runs its jobs)."""
    assets: dict[Address, Asset] = {}
    documents: dict[str, Document] = {}
    problems: list[Diagnostic] = []
    for path, runs in files:
        raw = tree.read(tree.entries[path].oid)
        document, unreadable = parse(tree.shown(path), raw)
        kind = recognise(document)
        if kind is None and not _MEANT.search(raw):
            continue
        documents[path] = document
        problems += unreadable
        if document.data is None:
            continue
        if kind is None:
            problems.append(_unrecognised(document))
            continue
        asset, found = _asset(tree, path, document, kind, runs=runs)
        problems += found
        if asset is None:
            continue
        if asset.address in assets:
            problems.append(rules.declared_twice(document, asset, tree.shown(assets[asset.address].source)))
            continue
        assets[asset.address] = asset
    return Declared(assets, documents, tuple(problems))


def unresolved(declared: Declared, known: Mapping[Address, object] | None = None) -> tuple[Diagnostic, ...]:
    """Say which references name nothing: nothing declared and, where ``known`` is given, nothing live.

    Without ``known`` they are warnings, because what they name may be live.
    """
    found = (
        rules.dangling(declared.documents[asset.source], reference, declared.assets, known)
        for asset in declared.assets.values()
        for reference in asset.references
    )
    return tuple(each for each in found if each is not None)


def _unrecognised(document: Document) -> Diagnostic:
    schema = document.data["$schema"]
    message = f"mlgit does not know the kind of asset that {schema} describes"
    hint = "leave the file out with assets: exclude: in mlgit.yml"
    return Diagnostic("kind-unknown", message, document.value("/$schema"), hint)


def _asset(
    tree: Tree, path: str, document: Document, kind: Kind, *, runs: bool
) -> tuple[Asset | None, list[Diagnostic]]:
    problems = list(check(document, kind.name))
    if has_errors(problems):
        return None, problems
    spec, unspliced = _splice(tree, path, document, kind)
    problems += unspliced
    found = list(mentions(spec, kind, posixpath.dirname(path)))
    asset = Asset(
        address=Address(kind.name, spec.get("name") or posixpath.splitext(tree.shown(path))[0]),
        spec=spec,
        source=path,
        version=str(spec.get("version", "")),
        references=tuple(each for each in found if isinstance(each, Reference)),
        paths=tuple(each for each in found if isinstance(each, LocalPath)),
        runs_on_change=runs,
    )
    problems += rules.of_asset(tree, document, asset)
    return (None if has_errors(problems) else asset), problems


def _splice(tree: Tree, path: str, document: Document, kind: Kind) -> tuple[Spec, list[Diagnostic]]:
    """Put the content of a named YAML file in the place of its name, as Azure ML does with conda files."""
    spec: dict[str, Json] = dict(document.data)
    problems: list[Diagnostic] = []
    for name in kind.spliced & spec.keys():
        if not isinstance(spec[name], str):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), spec[name]))
        entry = tree.entries.get(target)
        if entry is None:
            mention = LocalPath(f"/{name}", spec[name], target)
            problems.append(rules.missing_path(tree, document, mention))
            continue
        inner, unreadable = parse(tree.shown(target), tree.read(entry.oid))
        problems += unreadable
        spec[name] = inner.data
    return spec, problems


def kind_of(asset: Asset) -> Kind:
    """Return the kind of an asset."""
    return kind_named(asset.address.kind)
