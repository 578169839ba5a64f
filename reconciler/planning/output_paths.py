"""The paths of outputs: in a workspace's own datastores they are kept in the object store; others are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.pointers import join_pointer
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Spec
from reconciler.planning.subjects import Subject

# Every workspace of Azure ML has these; the first one is its default.
_DEFAULT_DATASTORE = "workspaceblobstore"
_OWN_DATASTORES = (
    _DEFAULT_DATASTORE,
    "workspaceartifactstore",
    "workspacefilestore",
    "workspaceworkingdirectory",
)
_DATASTORE_URI = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<datastore>[^/]+)(?:/(?:paths(?:/.*)?)?)?",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"\$\{\{\s*(?P<name>.*?)\s*\}\}")
_EXPRESSIONS = ("name", "output_name", "default_datastore")
_STORE_HINT = "remove path: to keep it in the object store, where `mlgit job show` and later jobs find it"


def output_paths(spec: Spec, run: str) -> dict[str, str]:
    """Return the paths of the outputs of a run that have one, by the name of the output, as Azure ML expands them."""
    return {name: _expand(path, run, name) for name, path in _declared_paths(spec)}


def _declared_paths(spec: Spec) -> Iterator[tuple[str, str]]:
    outputs = spec.get("outputs")
    for name, declared in outputs.items() if isinstance(outputs, Mapping) else ():
        path = declared.get("path") if isinstance(declared, Mapping) else None
        if isinstance(path, str) and path.strip():
            yield str(name), path.strip()


def _expand(path: str, run: str, output: str) -> str:
    values = dict(zip(_EXPRESSIONS, (run, output, _DEFAULT_DATASTORE), strict=True))
    return _EXPRESSION.sub(lambda match: values.get(match["name"], match[0]), path)


def check_output_paths(declared: AssetSet, subject: Subject) -> Iterator[Diagnostic]:
    """Yield the outputs of a job that would go where mlgit cannot write, at their paths."""
    asset = subject.asset
    for name, path in _declared_paths(asset.spec):
        if problem := _find_problem(declared, name, path):
            message, hint = problem
            span = subject.span(declared, join_pointer("outputs", name, "path"))
            yield Diagnostic("output-unreachable", f"{asset.address}: output {name}: {message}", span, hint)


def _find_problem(declared: AssetSet, name: str, path: str) -> tuple[str, str] | None:
    expanded = _expand(path, "run", name)
    if unknown := _EXPRESSION.search(expanded):
        names = ", ".join(f"${{{{{expression}}}}}" for expression in _EXPRESSIONS)
        hint = did_you_mean(unknown["name"], _EXPRESSIONS) or f"a path of an output can have {names}"
        return f"{unknown[0]} is not known in {path}", hint
    match = _DATASTORE_URI.fullmatch(expanded)
    if match is None:
        return f"mlgit cannot write to {path}: it does not reach remote storage yet", _STORE_HINT
    datastore = match["datastore"]
    if datastore.lower() in _OWN_DATASTORES:
        return None
    where = "which a file declares" if Address("datastore", datastore) in declared.assets else "which no file declares"
    message = f"mlgit cannot write to the datastore {datastore}, {where}: it does not reach remote storage yet"
    return message, f"write {_DEFAULT_DATASTORE} for {datastore}, or {_STORE_HINT}"


def output_notes(declared: AssetSet, subject: Subject) -> Iterator[str]:
    """Yield notes of a plan on the outputs of a job that have a path: they are kept in the object store."""
    asset = subject.asset
    for name, path in _declared_paths(asset.spec):
        span = subject.span(declared, join_pointer("outputs", name, "path"))
        yield f"{asset.address}: outputs.{name} ({span}): kept in the object store, and recorded as {path}"
