"""What a schema cannot say: rules about one asset and its surroundings, each a small function with a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.schemas import did_you_mean
from reconciler.format.yaml import Document
from reconciler.model import Address, Asset, LocalPath, Reference, Tree

_EXPRESSION = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z0-9_.-]+)\s*\}\}")


def of_asset(tree: Tree, document: Document, asset: Asset) -> Iterator[Diagnostic]:
    """Yield what is wrong with one asset that satisfies its schema."""
    yield from _ambiguous_version(document, asset)
    yield from _instances(document, asset)
    yield from _undeclared(document, asset)
    for mention in asset.paths:
        if mention.path.startswith(("../", "/")) or mention.path == "..":
            yield _outside(document, mention)
        elif mention.path != "." and not tree.exists(mention.path):
            yield missing_path(tree, document, mention)


def missing_path(tree: Tree, document: Document, mention: LocalPath) -> Diagnostic:
    """Say that a named file or folder is not in the tree."""
    message = f"{mention.text}: there is no {tree.shown(mention.path)} in Git"
    hint = "paths count from the folder of this file; a file that .gitignore leaves out is not in Git"
    return Diagnostic("path-missing", message, document.value(mention.pointer), hint)


def declared_twice(document: Document, asset: Asset, first: str) -> Diagnostic:
    """Say that another file declares the same address."""
    message = f"{asset.address} is declared here and in {first}"
    return Diagnostic("declared-twice", message, document.value("/name"), "give one of them another name")


def dangling(
    document: Document,
    reference: Reference,
    declared: Mapping[Address, object],
    known: Mapping[Address, object] | None,
) -> Diagnostic | None:
    """Say that a reference names nothing that is declared or known to be live."""
    address = reference.address
    if address in declared or address in (known or {}):
        return None
    close = did_you_mean(address.name, [each.name for each in declared if each.kind == address.kind])
    where = "declared" if known is None else "declared or live"
    message = f"{reference.text} names {address}, which is not {where}"
    severity = Severity.WARNING if known is None else Severity.ERROR
    hint = close or f"declare it in a file of its own, or correct the {address.kind} name"
    return Diagnostic("reference-dangling", message, document.value(reference.pointer), hint, severity)


def _outside(document: Document, mention: LocalPath) -> Diagnostic:
    message = f"{mention.text} leads out of the Git repository"
    return Diagnostic("path-outside", message, document.value(mention.pointer), "move it into the repository")


def _ambiguous_version(document: Document, asset: Asset) -> Iterator[Diagnostic]:
    typed = document.typed.get("/version")
    if typed is not None and typed != asset.version:
        message = f"version: {typed} is read as the number {asset.version}"
        yield Diagnostic("version-ambiguous", message, document.value("/version"), f'write version: "{typed}"')


def _instances(document: Document, asset: Asset) -> Iterator[Diagnostic]:
    least, most = asset.spec.get("min_instances", 0), asset.spec.get("max_instances")
    if most is not None and least > most:
        message = f"min_instances {least} is more than max_instances {most}"
        yield Diagnostic("instances-order", message, document.value("/min_instances"))


def _undeclared(document: Document, asset: Asset) -> Iterator[Diagnostic]:
    """Yield the inputs and outputs that the command uses and the asset does not declare."""
    command = asset.spec.get("command")
    for found in _EXPRESSION.finditer(command) if isinstance(command, str) else ():
        group, name = found.groups()
        declared = asset.spec.get(group) or {}
        if name not in declared:
            message = f"the command uses {found[0]}, but {group} has no {name}"
            hint = did_you_mean(name, declared) or f"declare it under {group}:"
            yield Diagnostic("expression-undeclared", message, document.value("/command"), hint)
