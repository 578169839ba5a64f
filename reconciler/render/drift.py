"""Render drift and its remedies as text and as JSON (schemas/drift.schema.json)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from reconciler.abbreviation import pluralize
from reconciler.model import Address, Json
from reconciler.planning.drift import Drift, DriftPolicy
from reconciler.planning.drift_report import DriftReport
from reconciler.render.sanitize import sanitize_line

DRIFT_FORMAT = 1


def format_drift(report: DriftReport) -> str:
    """Return drift as text, then what is missing on this machine only, and the notes."""
    return "\n".join(_drift_lines(report.counted, [drift for drift in report.drift if drift.local], report.notes))


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


def drift_to_json(report: DriftReport) -> dict[str, Json]:
    """Return drift as one document; ``local`` marks what is missing on this machine only."""
    return {
        "format": DRIFT_FORMAT,
        "target": report.target,
        "complete": report.is_complete,
        "drift": list(map(_drift_entry_to_json, report.drift)),
        "notes": list(report.notes),
    }


def drift_file_to_json(report: DriftReport, written_back: AbstractSet[Address]) -> Json:
    """Return drift as the file that decides about the issue; a pull request writes back what is ``written_back``."""
    entries = [{**_drift_entry_to_json(drift), "written_back": drift.address in written_back} for drift in report.drift]
    return {**drift_to_json(report), "issue": str(report.issue_state(written_back)), "drift": entries}


def _drift_entry_to_json(drift: Drift) -> dict[str, Json]:
    return {
        "subject": drift.subject,
        "sort": drift.drift_type,
        "message": drift.message,
        "remedy": drift.remedy,
        "policy": str(drift.policy),
        "local": drift.local,
    }
