"""The nodes of a spec: the asset itself and, inside of it, components, trials of sweeps and the steps of pipelines."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import Json, Spec

Keys = tuple[str, ...]
"""The keys and indices of a value, from the outside to the inside."""

COMPONENT_FIELDS = ("trial", "component")


def walk_nodes(spec: Spec, keys: Keys = ()) -> Iterator[tuple[Keys, Spec]]:
    """Yield every node of a spec with its keys, outer ones first."""
    yield keys, spec
    for field in COMPONENT_FIELDS:
        if type(component := spec.get(field)) is dict:
            yield from walk_nodes(component, (*keys, field))
    jobs: Json = spec.get("jobs")
    for name, job in jobs.items() if type(jobs) is dict else ():
        if type(job) is dict:
            yield from walk_nodes(job, (*keys, "jobs", name))
