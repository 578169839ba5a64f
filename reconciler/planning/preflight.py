"""Preflight checks of jobs: what a run needs and no provider can give it, whatever fields a backend supports.

The checks of files (``planning.file_checks``) make them with what is declared, plans with the live state too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.pointers import escape_key
from reconciler.model import Asset, Json, Record, Reference
from reconciler.planning.compute import COMPUTE_POINTER, compute_name, referenced_compute
from reconciler.planning.environments import ENVIRONMENT_POINTER, implicit_environment, unknown_environment_problem

_DIRECT_MODE = "direct"  # the mode in which the job gets a URI and reads it itself

# Returns what a reference stands for, None if that is not known.
TargetLookup = Callable[[Reference], Asset | Record | None]


def _is_known_environment(asset: Asset) -> bool:
    """Return True if a job writes its environment itself, or names one that the catalogue has."""
    return implicit_environment(asset) is not None


def check_run(
    declared: AssetSet,
    asset: Asset,
    config: Config,
    find_target: TargetLookup,
    is_known: Callable[[Asset], bool] = _is_known_environment,
) -> Iterator[Diagnostic]:
    """Yield why a run of a job could not start; ``is_known`` tells if an environment that no file declares is known."""
    document = declared.documents[asset.source]
    backend = config.backend_of(compute_name(asset))
    if not backend:
        message = f"{asset.address} runs on {asset.spec.get('compute')}, which is not bound to a backend"
        name = referenced_compute(asset) or "*"
        hint = f"bind it in mlgit.yml: compute: {{{name}: BACKEND}}; backends: {', '.join(config.backends)}"
        yield Diagnostic("compute-unbound", message, document.value_span(COMPUTE_POINTER), hint)
    if not is_known(asset) and not any(reference.pointer == ENVIRONMENT_POINTER for reference in asset.references):
        message, hint = _environment_problem(asset)
        yield Diagnostic("environment-form", message, document.value_span(ENVIRONMENT_POINTER), hint)
    for pointer, uri in _uris_to_fetch(asset, find_target):
        message = f"{f'backend {backend}' if backend else 'the backend of this job'} cannot download URI inputs: {uri}"
        hint = "put the content into the repository, or let the job read the URI itself: mode: direct"
        yield Diagnostic("input-unreachable", message, document.value_span(pointer), hint)


def _environment_problem(asset: Asset) -> tuple[str, str]:
    """Return why a job has no environment to run in, and a hint."""
    environment = asset.spec.get("environment")
    problem = unknown_environment_problem(environment) if isinstance(environment, str) else None
    if problem:
        return f"{asset.address}: {problem[0]}", problem[1]
    name = environment if isinstance(environment, str) else "none"
    message = f"{asset.address} needs an environment, but names {name}"
    return (
        message,
        "write environment: azureml:NAME@latest, or the environment itself: environment: {image: python:3.12}",
    )


def _uris_to_fetch(asset: Asset, find_target: TargetLookup) -> Iterator[tuple[str, str]]:
    """Yield pointer and URI of each input that would have to be downloaded for a run."""
    in_git = {path.pointer for path in asset.paths}
    code = asset.spec.get("code")
    if isinstance(code, str) and "/code" not in in_git:
        yield "/code", code
    inputs = asset.spec.get("inputs")
    references = {reference.pointer: reference for reference in asset.references}
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        if isinstance(value, Mapping) and isinstance(value.get("path"), str) and not _is_direct(value):
            pointer = f"/inputs/{escape_key(str(name))}/path"
            if pointer not in in_git and (uri := _input_uri(references.get(pointer), value["path"], find_target)):
                yield pointer, uri


def _is_direct(job_input: Mapping[str, Json]) -> bool:
    """Return True if the job reads the URI of an input itself; Azure ML reads the mode in any case."""
    return str(job_input.get("mode", "")).lower() == _DIRECT_MODE


def _input_uri(reference: Reference | None, text: str, find_target: TargetLookup) -> str:
    """Return the URI of an input or of the data that it references; "" if its content is in the store."""
    if reference is None:
        return text
    return "" if reference.output else _target_uri(find_target(reference))


def _target_uri(target: Asset | Record | None) -> str:
    if target is None:
        return ""
    uri: Json = target.spec.get("path")
    if isinstance(target, Asset):
        known = {path.pointer for path in target.paths} | {reference.pointer for reference in target.references}
    else:
        known = {*target.contents, *target.references}
    return uri if isinstance(uri, str) and "/path" not in known else ""
