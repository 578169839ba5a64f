"""Render the comparison of two runs, as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.abbreviation import format_elapsed, format_size, join_some, pluralize
from reconciler.model import Json, Run
from reconciler.planning.diff import FieldChange, format_value
from reconciler.planning.run_comparison import Outcome, RunComparison
from reconciler.secrets.redact import mask_json_secrets, secret_values

_MAX_FILES = 8  # in one line
_SHORTEST = 0.05  # seconds; what is shorter is shown as 0.0 s
_BEST_TRIAL = "best trial"
_TITLES = {"environment_variables": "environment variables"}


def comparison_to_json(comparison: RunComparison) -> Json:
    """Return a comparison as one document, in which no secret of the two runs is."""
    document = {
        "a": _run_to_json(comparison.before),
        "b": _run_to_json(comparison.after),
        "differences": {
            section: [_change_to_json(section, change) for change in changes]
            for section, changes in comparison.differences.items()
        },
        "results": [_outcome_to_json(outcome) for outcome in comparison.outcomes],
        "notes": list(comparison.notes),
    }
    return mask_json_secrets(document, secret_values(comparison.before.spec) | secret_values(comparison.after.spec))


def _run_to_json(run: Run) -> Json:
    return {
        "run": run.id,
        "job": str(run.address),
        "status": str(run.status),
        "submitted_at": run.submitted_at,
        "commit": run.commit,
    }


def _change_to_json(section: str, change: FieldChange) -> Json:
    a = {} if change.change_type == "added" else {"a": change.before}
    b = {} if change.change_type == "removed" else {"b": change.after}
    words = (file.rpartition(" ") for file in change.files)  # as `changed_file_names` has them
    files = {"files": [{"file": name, "change": word} for name, _, word in words]} if change.files else {}
    return {
        "field": change.field,
        "change": change.change_type,
        **a,
        **b,
        **files,
        "sentence": _sentence(section, change),
    }


def _sentence(section: str, change: FieldChange) -> str:
    if section == "data":
        return f"{change.field}: {_format_data(change.before)} -> {_format_data(change.after)}"
    if section == "code":
        return f"{change.field}: {join_some(change.files, _MAX_FILES)}" if change.files else f"{change.field} changed"
    return str(change)


def _format_data(version: Mapping[str, Json]) -> str:
    size = version["size"]
    return version["version"] if size is None else f"{version['version']} ({format_size(size)})"


def _outcome_to_json(outcome: Outcome) -> Json:
    difference = {} if outcome.difference is None else {"difference": outcome.difference}
    return {"group": outcome.group, "name": outcome.name, "a": outcome.before, "b": outcome.after, **difference}


def difference_lines(document: Json) -> Iterator[str]:
    """Yield the lines that say what differs between two runs."""
    if not document["differences"]:
        yield "No difference in what the runs were given."
    for section, changes in document["differences"].items():
        yield f"{_TITLES.get(section, section).capitalize()}:"
        yield from (f"  {change['sentence']}" for change in changes)
    yield from (f"({note})" for note in document["notes"])


def result_rows(document: Json) -> list[tuple[str, str, str, str]]:
    """Return the table of the results that differ: what it is, both sides, and the difference of numbers."""
    return [
        (_result_name(row), _format_result(row, row["a"]), _format_result(row, row["b"]), _format_difference(row))
        for row in document["results"]
    ]


def _result_name(row: Mapping[str, Json]) -> str:
    name = str(row["name"]).removesuffix("_seconds").replace("_", " ") if row["group"] == "status" else row["name"]
    return (
        name
        if row["group"] in ("status", "metrics") or name == _BEST_TRIAL
        else f"{row['group'].removesuffix('s')} {name}"
    )


def _format_result(row: Mapping[str, Json], value: Json) -> str:
    if value is None:
        return "-"
    if row["group"] == "outputs":
        return f"{pluralize(value.get('files', 0), 'file')}, {format_size(value.get('size', 0))}"
    if row["name"] == "duration_seconds":
        return format_elapsed(value)
    return f"{value:.6g}" if isinstance(value, float) else format_value(value)


def _format_difference(row: Mapping[str, Json]) -> str:
    difference = row.get("difference")
    if difference is None:
        return ""
    sign = "-" if difference < 0 else "+"
    if row["group"] == "outputs":
        return f"{sign}{format_size(abs(difference))}" if difference else "other content"
    if row["name"] == "duration_seconds":
        return f"{sign}{format_elapsed(abs(difference))}" if abs(difference) >= _SHORTEST else ""
    return f"{difference:+.6g}"


def run_rows(document: Json) -> Sequence[tuple[str, ...]]:
    """Return the table of the two runs."""
    return [
        (side.upper(), *(document[side][name] for name in ("run", "job", "status", "submitted_at"))) for side in "ab"
    ]
