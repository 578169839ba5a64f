"""What has drifted, for people and for programs (schemas/drift.schema.json): each thing with what is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import Json
from reconciler.planning.drift import Drift, DriftPolicy
from reconciler.render.code_frame import sanitize_line
from reconciler.render.text import pluralize

DRIFT_FORMAT = 1


def format_drift(found: Sequence[Drift], notes: Sequence[str]) -> str:
    """Write what has drifted, then what is worth knowing beside it."""
    return "\n".join(
        _drift_lines([each for each in found if not each.local], [each for each in found if each.local], notes)
    )


def _drift_lines(drifted: Sequence[Drift], local: Sequence[Drift], notes: Sequence[str]) -> Iterator[str]:
    if drifted:
        yield f"Drift: {pluralize(len(drifted), 'thing')} not as recorded."
        for each in drifted:
            yield from (
                "",
                f"  {sanitize_line(f'{each.subject}: {each.message}')}",
                f"    {sanitize_line(each.remedy)}",
            )
    else:
        yield "No drift. What was looked at is as it is recorded."
    said = [*map(str, local), *notes]
    yield from ("", "Notes:") if said else ()
    yield from (f"  {sanitize_line(each)}" for each in said)
    if any(drift.record is not None and drift.policy is DriftPolicy.REPAIR for drift in drifted):
        yield from ("", "See what apply would do with `mlgit plan --refresh`.")


def drift_to_json(found: Sequence[Drift], notes: Sequence[str]) -> Json:
    """Return what has drifted as one document; ``local`` is what is missing on this machine alone."""
    return {"format": DRIFT_FORMAT, "drift": [_drift_entry_to_json(drift) for drift in found], "notes": list(notes)}


def _drift_entry_to_json(each: Drift) -> Json:
    return {
        "subject": each.subject,
        "sort": each.drift_type,
        "message": each.message,
        "remedy": each.remedy,
        "policy": str(each.policy),
        "local": each.local,
    }
