"""What has drifted, for people and for programs (schemas/drift.schema.json): each thing with what is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import Json
from reconciler.planning.drift import Drift, Way
from reconciler.render.excerpt import inline
from reconciler.render.text import counted

FORMAT = 1


def text(found: Sequence[Drift], notes: Sequence[str]) -> str:
    """Write what has drifted, then what is worth knowing beside it."""
    return "\n".join(_lines([each for each in found if not each.local], [each for each in found if each.local], notes))


def _lines(drifted: Sequence[Drift], local: Sequence[Drift], notes: Sequence[str]) -> Iterator[str]:
    if drifted:
        yield f"Drift: {counted(len(drifted), 'thing')} not as recorded."
        for each in drifted:
            yield from ("", f"  {inline(f'{each.subject}: {each.message}')}", f"    {inline(each.remedy)}")
    else:
        yield "No drift. What was looked at is as it is recorded."
    said = [*map(str, local), *notes]
    yield from ("", "Notes:") if said else ()
    yield from (f"  {inline(each)}" for each in said)
    if any(each.record is not None and each.way is Way.HEAL for each in drifted):
        yield from ("", "See what apply would do with `mlgit plan --refresh`.")


def as_json(found: Sequence[Drift], notes: Sequence[str]) -> Json:
    """Return what has drifted as one document; ``local`` is what is missing on this machine alone."""
    return {"format": FORMAT, "drift": [_plain(each) for each in found], "notes": list(notes)}


def _plain(each: Drift) -> Json:
    return {
        "subject": each.subject,
        "sort": each.sort,
        "message": each.message,
        "remedy": each.remedy,
        "policy": str(each.way),
        "local": each.local,
    }
