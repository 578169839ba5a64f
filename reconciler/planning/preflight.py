"""Preflight checks of jobs: what a run needs and no provider can give it, whatever fields a backend supports.

The checks of files (``planning.file_checks``) make them with what is declared, plans with the live state too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.model import Asset
from reconciler.planning.compute import COMPUTE_POINTER, compute_name, referenced_compute
from reconciler.planning.data_places import Datastores
from reconciler.planning.environments import ENVIRONMENT_POINTER, implicit_environment, unknown_environment_problem
from reconciler.planning.output_paths import check_output_paths
from reconciler.planning.subjects import Subject
from reconciler.planning.uri_inputs import TargetLookup, describe_problem, find_uri_inputs


def _is_known_environment(asset: Asset) -> bool:
    """Return True if a job writes its environment itself, or names one that the catalogue has."""
    return implicit_environment(asset) is not None


def check_run(
    declared: AssetSet,
    subject: Subject,
    datastores: Datastores,
    find_target: TargetLookup,
    is_known: Callable[[Asset], bool] = _is_known_environment,
) -> Iterator[Diagnostic]:
    """Yield why a run of a job could not start; ``is_known`` tells if an environment that no file declares is known."""
    asset, config = subject.asset, datastores.config
    backend = config.backend_of(compute_name(asset))
    if not backend:
        message = f"{asset.address} runs on {asset.spec.get('compute')}, which is not bound to a backend"
        name = referenced_compute(asset) or "*"
        hint = f"bind it in mlgit.yml: compute: {{{name}: BACKEND}}; backends: {', '.join(config.backends)}"
        yield Diagnostic("compute-unbound", message, subject.span(declared, COMPUTE_POINTER), hint)
    if not is_known(asset) and not any(reference.pointer == ENVIRONMENT_POINTER for reference in asset.references):
        message, hint = _environment_problem(asset)
        yield Diagnostic("environment-form", message, subject.span(declared, ENVIRONMENT_POINTER), hint)
    for uri_input in find_uri_inputs(asset, datastores, find_target, subject.stored):
        if not uri_input.is_reachable:
            message, hint = describe_problem(uri_input)
            span = subject.span(declared, uri_input.pointer)
            yield Diagnostic("input-unreachable", f"{asset.address}: {message}", span, hint)
    yield from check_output_paths(declared, subject, datastores)


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
