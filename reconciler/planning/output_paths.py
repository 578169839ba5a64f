"""The paths of outputs: in a datastore of the workspace they are written there when the run has ended.

All outputs are kept in the object store too, and those in a datastore that every workspace has only there. A path
anywhere else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.data_uris import DEFAULT_DATASTORES, parse_data_uri
from reconciler.format.pointers import join_pointer
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, Spec
from reconciler.planning.data_places import DataPlace, Datastores, describe_unknown
from reconciler.planning.subjects import Subject
from reconciler.planning.uri_inputs import is_direct

_EXPRESSION = re.compile(r"\$\{\{\s*(?P<name>.*?)\s*\}\}")
_EXPRESSIONS = ("name", "output_name", "default_datastore")
_STORE_HINT = "remove path: to keep it in the object store, where `mlgit job show` and later jobs find it"


def output_paths(spec: Spec, run: str) -> dict[str, str]:
    """Return the paths of the outputs of a run that have one, by the name of the output, as Azure ML expands them."""
    return {name: _expand(path, run, name) for name, path in _declared_paths(spec)}


def direct_uris(spec: Spec, run: str) -> dict[str, str]:
    """Return the URIs of the outputs of a run that its command writes by itself, by the name of the output."""
    paths = output_paths(spec, run)
    return {name: paths[name] for name, declared in _declared_outputs(spec) if name in paths and is_direct(declared)}


def _declared_outputs(spec: Spec) -> Iterator[tuple[str, Mapping[str, Json]]]:
    outputs = spec.get("outputs")
    for name, declared in outputs.items() if isinstance(outputs, Mapping) else ():
        if isinstance(declared, Mapping):
            yield str(name), declared


def _declared_paths(spec: Spec) -> Iterator[tuple[str, str]]:
    for name, declared in _declared_outputs(spec):
        path = declared.get("path")
        if isinstance(path, str) and path.strip():
            yield name, path.strip()


def _expand(path: str, run: str, output: str) -> str:
    values = dict(zip(_EXPRESSIONS, (run, output, DEFAULT_DATASTORES[0]), strict=True))
    return _EXPRESSION.sub(lambda match: values.get(match["name"], match[0]), path)


def find_output_place(path: str, datastores: Datastores) -> DataPlace | None:
    """Return where in a datastore an output is written; None if it is kept in the object store alone."""
    place = datastores.find_place(path)
    return place if place is not None and not place.has_wildcard else None


def check_output_paths(declared: AssetSet, subject: Subject, datastores: Datastores) -> Iterator[Diagnostic]:
    """Yield the outputs of a job that would go where mlgit cannot write, at their paths."""
    asset, paths = subject.asset, dict(_declared_paths(subject.asset.spec))
    for name, declared_output in _declared_outputs(asset.spec):
        if is_direct(declared_output) and (problem := _find_direct_problem(subject, name, paths, datastores)):
            message, hint = problem
            span = subject.span(declared, join_pointer("outputs", name, "mode"))
            yield Diagnostic("output-unreachable", f"{asset.address}: output {name}: {message}", span, hint)
    for name, path in paths.items():
        if problem := _find_problem(datastores, name, path):
            message, hint = problem
            span = subject.span(declared, join_pointer("outputs", name, "path"))
            yield Diagnostic("output-unreachable", f"{asset.address}: output {name}: {message}", span, hint)


def _find_direct_problem(
    subject: Subject, name: str, paths: Mapping[str, str], datastores: Datastores
) -> tuple[str, str] | None:
    """Return why a command cannot write an output by itself, and what to do."""
    hint = "write mode: upload, or leave it out: mlgit writes the output to its path"
    if subject.places is not None:
        return "mode direct is for jobs: what a step writes by itself is not there for later steps", hint
    if name not in paths:
        return "mode direct needs a path, which the command gets as a URI", f"add a path in a datastore, or {hint}"
    place = find_output_place(_expand(paths[name], "run", name), datastores)
    if place is not None and datastores.is_in_store(place.datastore):
        message = f"mode direct: {place.datastore} is in the object store, where no command writes by itself"
        return message, hint
    return None


def _find_problem(datastores: Datastores, name: str, path: str) -> tuple[str, str] | None:
    expanded = _expand(path, "run", name)
    if unknown := _EXPRESSION.search(expanded):
        names = ", ".join(f"${{{{{expression}}}}}" for expression in _EXPRESSIONS)
        hint = did_you_mean(unknown["name"], _EXPRESSIONS) or f"a path of an output can have {names}"
        return f"{unknown[0]} is not known in {path}", hint
    uri, place = parse_data_uri(expanded), datastores.find_place(expanded)
    if uri is None:
        return f"mlgit cannot write to {path}: it is no path of a datastore", _STORE_HINT
    if ".." in uri.path.split("/") or (place is not None and place.has_wildcard):
        return f"mlgit cannot write to {path}: a path of an output has no .. and no wildcards", _STORE_HINT
    if place is not None:
        return None
    message, hint = describe_unknown(path)
    return f"{message}: mlgit cannot write there", f"{hint}, or {_STORE_HINT}"


def output_notes(declared: AssetSet, subject: Subject, datastores: Datastores) -> Iterator[str]:
    """Yield notes of a plan on the outputs of a job that have a path: where they are kept."""
    asset, direct = subject.asset, direct_uris(subject.asset.spec, "run")
    for name, path in _declared_paths(asset.spec):
        if name in direct:
            continue  # mlgit writes and keeps nothing
        span = subject.span(declared, join_pointer("outputs", name, "path"))
        place = find_output_place(_expand(path, "run", name), datastores)
        is_elsewhere = place is not None and not datastores.is_in_store(place.datastore)
        written = f"written to {path} when the run has completed" if is_elsewhere else f"recorded as {path}"
        yield f"{asset.address}: outputs.{name} ({span}): kept in the object store, and {written}"
