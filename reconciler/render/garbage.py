"""Render what is kept of a store and on this machine and why, and what is not needed, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.abbreviation import format_size, pluralize
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json
from reconciler.planning.garbage import Amount, RemovalPlan, measure
from reconciler.planning.local_garbage import Item, LocalPlan
from reconciler.render.sanitize import sanitize_line


class PlaceView(NamedTuple):
    """What is shown of one place: what it is and where, what is kept by reason, and what is garbage by cause.

    ``noun`` is what is counted; ``items`` are the names of all garbage by cause, for JSON.
    """

    title: str
    location: str
    noun: str
    kept: Mapping[str, Amount]
    garbage: Mapping[str, Amount]
    items: Mapping[str, tuple[str, ...]]
    removed: Amount | None = None

    @property
    def total(self) -> Amount:
        """The amount of all garbage."""
        return _sum(self.garbage.values())


class GarbageView(NamedTuple):
    """What is shown of garbage: the options, the places, since which run all stays, what prevents a removal."""

    days: Mapping[str, float]
    store: PlaceView
    local: tuple[PlaceView, ...]
    unfinished_run: str
    problems: tuple[Diagnostic, ...]
    is_removal: bool = False

    @property
    def places(self) -> tuple[PlaceView, ...]:
        """The store, and what is on this machine."""
        return (self.store, *self.local)


def make_store_view(location: str, plan: RemovalPlan) -> PlaceView:
    """Return what is shown of a store."""
    kept = {str(reason): amount for reason, amount in plan.kept.items()}
    garbage = {str(cause): measure(items) for cause, items in plan.garbage.items()}
    digests = {str(cause): tuple(sorted(item.digest for item in items)) for cause, items in plan.garbage.items()}
    return PlaceView("Store", location, "object", kept, garbage, digests)


def make_place_view(title: str, location: str, noun: str, plan: LocalPlan[Item]) -> PlaceView:
    """Return what is shown of a folder of this machine."""
    garbage = {cause: Amount(len(items), sum(item.size for item in items)) for cause, items in plan.garbage.items()}
    names = {cause: tuple(sorted(item.name for item in items)) for cause, items in plan.garbage.items()}
    return PlaceView(title, location, noun, plan.kept, garbage, names)


def format_garbage(view: GarbageView, command: str) -> str:
    """Return what is kept by reason, what is garbage, and the command that removes it."""
    places = [place for place in view.places if place.kept or place.garbage or place is view.store]
    blocks = ["\n".join(_place_lines(place, is_certain=not view.problems)) for place in places]
    return "\n\n".join([*blocks, "\n".join(map(sanitize_line, _notes(view))), _outcome(view, command)])


def _place_lines(place: PlaceView, *, is_certain: bool) -> Iterator[str]:
    yield sanitize_line(f"{place.title} {place.location}")
    yield f"  Kept: {_describe(_sum(place.kept.values()), place.noun) if place.kept else 'nothing'}"
    yield from _rows(place.kept)
    if not place.garbage:
        yield "  Not needed: nothing"
        return
    yield f"  {'Not needed' if is_certain else 'Perhaps not needed'}: {_describe(place.total, place.noun)}"
    yield from _rows(place.garbage)


def _notes(view: GarbageView) -> Iterator[str]:
    days = {name: f"{number:g} days" for name, number in view.days.items()}
    yield f"Lately is within {days['days']} (--days), for runs {days['run_days']} (--runs)."
    yield f"Earlier commits of the live state are those of the last {days['history_days']} (--history)."
    yield f"What is only for reuse is kept for {days['reuse_days']} after its last use (keep_reusable: in mlgit.yml)."
    if view.unfinished_run:
        yield f"Run {view.unfinished_run} has not ended: all that was stored since its submission is kept."
    if any(place.noun == "folder" and place.garbage for place in view.places):
        yield "The folder of a run has its log, which goes with it; the outputs that were recorded are in the store."


def _outcome(view: GarbageView, command: str) -> str:
    total = sum(place.total.size for place in view.places)
    if not any(place.garbage for place in view.places):
        return "Nothing to remove."
    if view.problems:
        return "Nothing is removed: not all that could need it is known."
    if not view.is_removal:
        return f"Nothing was removed. To remove {format_size(total)}: `{command} --remove`."
    return "\n".join(_removal_lines(view.places))


def _removal_lines(places: Iterable[PlaceView]) -> Iterator[str]:
    for place in places:
        if not place.garbage:
            continue
        removed = place.removed or Amount(0, 0)
        left = place.total.objects - removed.objects
        stayed = f"; {pluralize(left, place.noun)} stayed: in use, or removed by another command" if left else ""
        yield f"{place.title}: removed {_describe(removed, place.noun)}{stayed}."


def _rows(amounts: Mapping[str, Amount]) -> Iterator[str]:
    """Yield a line for each row: the name, how many there are, and their size, aligned."""
    cells = [(name, f"{amount.objects:,}", format_size(amount.size)) for name, amount in amounts.items()]
    widths = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
    for name, objects, size in cells:
        yield f"    {name:<{widths[0]}}  {objects:>{widths[1]}}  {size:>{widths[2]}}"


def _sum(amounts: Iterable[Amount]) -> Amount:
    rows = list(amounts)
    return Amount(sum(amount.objects for amount in rows), sum(amount.size for amount in rows))


def _describe(amount: Amount, noun: str) -> str:
    return f"{pluralize(amount.objects, noun)}, {format_size(amount.size)}"


def garbage_to_json(view: GarbageView) -> Json:
    """Return everything as one document, with the names of all garbage; sizes are in bytes."""
    return {
        "store": view.store.location,
        **view.days,
        "unfinished_run": view.unfinished_run,
        **_place_to_json(view.store, "objects", "digests"),
        "cache": next((_local_to_json(place, "objects", "digests") for place in view.local if _is_cache(place)), None),
        "run_folders": next(
            (_local_to_json(place, "folders", "paths") for place in view.local if not _is_cache(place)), None
        ),
        "problems": [
            {"code": problem.code, "message": problem.message, "hint": problem.hint} for problem in view.problems
        ],
    }


def _is_cache(place: PlaceView) -> bool:
    return place.noun == "object"


def _local_to_json(place: PlaceView, count: str, names: str) -> dict[str, Json]:
    return {"location": place.location, **_place_to_json(place, count, names)}


def _place_to_json(place: PlaceView, count: str, names: str) -> dict[str, Json]:
    def amount_to_json(amount: Amount) -> dict[str, Json]:
        return {count: amount.objects, "size": amount.size}

    return {
        "kept": [{"reason": reason, **amount_to_json(amount)} for reason, amount in place.kept.items()],
        "garbage": [
            {"cause": cause, **amount_to_json(amount), names: list(place.items[cause])}
            for cause, amount in place.garbage.items()
        ],
        "removed": amount_to_json(place.removed) if place.removed is not None else None,
    }
