"""Render on which computes the runs of a plan go, with how many instances, and how many GPU-hours they take at most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.abbreviation import join_some, pluralize
from reconciler.model import Json, Op
from reconciler.model.capacity import RunPlace

_MAX_COMPUTES = 3


def run_places_to_json(places: Iterable[RunPlace]) -> list[Json]:
    """Return the computes of a run as a plan in JSON has them; without GPUs there are no GPU-hours."""
    return [
        {"compute": place.compute, "backend": place.backend}
        | ({"steps": place.steps} if place.steps else {})
        | ({"trials": place.trials} if place.trials else {})
        | ({"instances": place.instances} if place.instances > 1 else {})
        | ({"gpus": place.gpus, "gpu_hours": place.gpu_hours} if place.gpus else {})
        for place in places
    ]


def run_places_clause(places: Sequence[Json]) -> str:
    """Return the computes of a run, and their backends of other names, as a clause of a sentence; "" if it has none."""
    return f" on {join_some(list(map(_name, places)), _MAX_COMPUTES)}" if places else ""


def _name(place: Json) -> str:
    compute, backend = place["compute"], place["backend"]
    return f"{compute} ({backend})" if backend and backend != compute else str(compute)


def run_place_lines(places: Sequence[Json]) -> Iterator[str]:
    """Yield what the runs on each compute take; nothing of one that has one instance and no GPU."""
    for place in places:
        if amounts := format_amounts(place):
            yield f"{place['compute']}: {amounts}" if len(places) > 1 else amounts


def format_amounts(place: Json) -> str:
    """Return what the runs on a compute take, "" if each is one instance without GPUs."""
    instances, gpus = place.get("instances", 1), place.get("gpus", 0)
    if instances == 1 and not gpus:
        return ""
    is_several = place.get("steps", 1) > 1 or "trials" in place
    most, each = ("up to ", " each") if is_several else ("", "")
    words = [pluralize(place["trials"], "trial")] if "trials" in place else []
    words += [f"{most}{pluralize(instances, 'instance')}{each}"] if instances > 1 else []
    words += [f"{most}{pluralize(gpus, 'GPU')}{each}", _format_hours(place["gpu_hours"])] if gpus else []
    return ", ".join(words)


def _format_hours(hours: float | None) -> str:
    return "no time limit" if hours is None else f"at most {_count_hours(hours)}"


def _count_hours(hours: float) -> str:
    """Return a number of GPU-hours with one digit after the point, rounded up as it is a bound."""
    number = f"{math.ceil(round(hours * 10, 6)) / 10:,.1f}".removesuffix(".0")
    return f"{number} GPU-hour{'' if number == '1' else 's'}"


def gpu_hours_line(actions: Iterable[Mapping[str, Json]]) -> str:
    """Return the GPU-hours of all runs that a plan submits; "" if none takes GPUs."""
    total, unlimited, is_any = 0.0, [], False
    for action in actions:
        for place in action.get("runs_on", ()) if action["action"] == Op.SUBMIT else ():
            if "gpus" in place:
                is_any = True
                total += place["gpu_hours"] or 0
                unlimited += [str(action["address"])] if place["gpu_hours"] is None else []
    if not is_any:
        return ""
    bound = f"at most {_count_hours(total)}" if total else ""
    names = list(dict.fromkeys(unlimited))
    verb = "has" if len(names) == 1 else "have"
    open_ended = f"{join_some(names)} {verb} no time limit (limits.timeout)" if names else ""
    return f"GPUs: {', and '.join(filter(None, (bound, open_ended)))}."
