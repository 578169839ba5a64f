"""Jobs with what only a run needs: the environment that no file declares, and the steps of a pipeline or a sweep."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import Asset, Record, ResolvedAsset, ResolvedReference, Run, Step, StepGraph
from reconciler.planning.environments import (
    ENVIRONMENT_POINTER,
    FindPin,
    is_anonymous,
    resolve_implicit_environment,
)
from reconciler.planning.jobs import lower
from reconciler.planning.jobs.sources import FindComponent


def recorded_job(recorded: Record | Run, source: str) -> ResolvedAsset:
    """Return a job as it is recorded; ``source`` is the path of its file."""
    asset = Asset(recorded.address, recorded.spec, source)
    return ResolvedAsset(asset, recorded.contents, recorded.references, recorded.fingerprint, "")


def with_environment(resolved: ResolvedAsset, find_pin: FindPin) -> ResolvedAsset:
    """Return a job with the environment that it writes itself, or that is one of a registry."""
    environment = resolve_implicit_environment(resolved.asset, find_pin, resolved.contents)
    if environment is None:
        return resolved
    if is_anonymous(environment.asset.address):
        return resolved._replace(environment=environment)
    reference = _reference_to(environment)
    return resolved._replace(
        environment=environment, references={**resolved.references, ENVIRONMENT_POINTER: reference}
    )


def with_steps(resolved: ResolvedAsset, find_component: FindComponent, find_pin: FindPin) -> ResolvedAsset:
    """Return a pipeline or a sweep with the graph of its steps; any other job as it is."""
    return with_graph(resolved, lower(resolved, find_component), find_pin)


def with_graph(resolved: ResolvedAsset, graph: StepGraph | None, find_pin: FindPin) -> ResolvedAsset:
    """Return a job with its graph, each step of which gets its environment; None for a job without steps.

    The environments of a registry that the file names are references of the whole job too, so that they count in its
    fingerprint as they are pinned.
    """
    if graph is None:
        return resolved
    steps = {path: step._replace(job=with_environment(step.job, find_pin)) for path, step in graph.steps.items()}
    references = {**_registry_references(steps), **resolved.references}
    return resolved._replace(graph=graph._replace(steps=steps), references=references)


def _registry_references(steps: Mapping[str, Step]) -> Mapping[str, ResolvedReference]:
    return {
        step.places[ENVIRONMENT_POINTER]: _reference_to(step.job.environment)
        for step in steps.values()
        if step.job.environment is not None and not is_anonymous(step.job.environment.asset.address)
    }


def _reference_to(environment: ResolvedAsset) -> ResolvedReference:
    asset = environment.asset
    return ResolvedReference(asset.address, asset.version, environment.fingerprint)
