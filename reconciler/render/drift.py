"""Render drift and its remedies as text and as JSON (schemas/drift.schema.json)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.abbreviation import pluralize
from reconciler.model import Json
from reconciler.planning.drift import Drift, DriftPolicy
from reconciler.render.sanitize import sanitize_line

DRIFT_FORMAT = 1


def format_drift(drifts: Sequence[Drift], notes: Sequence[str]) -> str:
    """Return drift as text, then what is missing on this machine only, and the notes."""
    return "\n".join(
        _drift_lines([drift for drift in drifts if not drift.local], [drift for drift in drifts if drift.local], notes)
    )


def _drift_lines(drifted: Sequence[Drift], local: Sequence[Drift], notes: Sequence[str]) -> Iterator[str]:
    if drifted:
        yield f"Drift: {pluralize(len(drifted), 'thing')} not as recorded."
        for drift in drifted:
            yield from (
                "",
                f"  {sanitize_line(f'{drift.subject}: {drift.message}')}",
                f"    {sanitize_line(drift.remedy)}",
            )
    else:
        yield "No drift. What was looked at is as it is recorded."
    note_lines = [*map(str, local), *notes]
    yield from ("", "Notes:") if note_lines else ()
    yield from (f"  {sanitize_line(line)}" for line in note_lines)
    if any(drift.record is not None and drift.policy is DriftPolicy.REPAIR for drift in drifted):
        yield from ("", "See what apply would do with `mlgit plan --refresh`.")


def drift_to_json(drifts: Sequence[Drift], notes: Sequence[str]) -> Json:
    """Return drift as one document; ``local`` marks what is missing on this machine only."""
    return {"format": DRIFT_FORMAT, "drift": [_drift_entry_to_json(drift) for drift in drifts], "notes": list(notes)}


def _drift_entry_to_json(drift: Drift) -> Json:
    return {
        "subject": drift.subject,
        "sort": drift.drift_type,
        "message": drift.message,
        "remedy": drift.remedy,
        "policy": str(drift.policy),
        "local": drift.local,
    }
