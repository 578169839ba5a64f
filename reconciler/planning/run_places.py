"""Where the runs of a submission go: on which computes, with how many instances, and for how many GPU-hours at most."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model import ResolvedAsset, Step
from reconciler.model.capacity import RunPlace
from reconciler.planning.computes import Computes
from reconciler.planning.sweep_limits import read_sweep_limits

_HOUR = 3600


def find_run_places(computes: Computes, resolved: ResolvedAsset) -> tuple[RunPlace, ...]:
    """Return the computes of a run that is submitted, or of its steps, in the order of the steps."""
    steps = resolved.graph.steps.values() if resolved.graph else ()
    places = [_place_of(computes, step.job, step) for step in steps] if steps else [_place_of(computes, resolved, None)]
    by_compute: dict[str, list[RunPlace]] = {}
    for place in places:
        by_compute.setdefault(place.compute, []).append(place)
    return tuple(_join_places(group) for group in by_compute.values())


def _place_of(computes: Computes, job: ResolvedAsset, step: Step | None) -> RunPlace:
    request = computes.request_of(job.asset)
    gpus, seconds = computes.gpus_of(request) or 0, request.resources.timeout
    limits = read_sweep_limits(step) if step else None
    seconds = limits.run_seconds(seconds) if limits else seconds
    return RunPlace(
        request.compute.name,
        computes.config.backend_of(request.compute.name),
        steps=1 if step else 0,
        trials=(limits.trials or 0) if limits else 0,
        instances=request.resources.instances,
        gpus=gpus,
        gpu_hours=None if gpus and seconds is None else gpus * (seconds or 0) / _HOUR,
    )


def _join_places(places: Iterable[RunPlace]) -> RunPlace:
    """Return several steps on one compute as one place."""
    first, *others = places
    joined = first
    for place in others:
        is_limited = joined.gpu_hours is not None and place.gpu_hours is not None
        joined = joined._replace(
            steps=joined.steps + place.steps,
            trials=joined.trials + place.trials,
            instances=max(joined.instances, place.instances),
            gpus=max(joined.gpus, place.gpus),
            gpu_hours=(joined.gpu_hours or 0) + (place.gpu_hours or 0) if is_limited else None,
        )
    return joined
