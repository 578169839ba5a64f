"""The result of a run, as the runner or a driver writes it: whether a document is one.

The runs of this machine belong to one user, so whatever a command does to the files of a run can be found in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType

from reconciler.model.assets import Json
from reconciler.model.runs import RunStatus

_STATUSES = {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED}
_TYPES: Mapping[str, type | UnionType] = {
    "status": str,
    "started": str,
    "ended": str,
    "exit_code": int | None,
    "metrics": dict,
    "params": dict,
    "outputs": dict,
}
_FAILURE_TYPES: Mapping[str, type | UnionType] = {"class": str, "message": str, "exit_code": int | None}
_OUTPUT_TYPES: Mapping[str, type | UnionType] = {"files": int, "size": int, "origin": str}


def is_result(document: Json) -> bool:
    """Return True if a document is the result of a run that has ended (schemas/run-result.schema.json)."""
    if not isinstance(document, dict) or not _has_types(document, _TYPES):
        return False
    failure = document.get("failure")
    return (
        document.get("status") in _STATUSES
        and (failure is None or (isinstance(failure, dict) and _has_types(failure, _FAILURE_TYPES)))
        and all(map(_is_number, document.get("metrics", {}).values()))
        and all(map(_is_output, document.get("outputs", {}).values()))
    )


def _is_output(value: Json) -> bool:
    """Return True for an output; the digests of one that is stored are recorded later, and stand in no result."""
    return isinstance(value, dict) and "md5" not in value and _has_types(value, _OUTPUT_TYPES)


def _is_number(value: Json) -> bool:
    """Return True for a number; one that JSON has no form of is a string."""
    return isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity")


def _has_types(document: Mapping[str, Json], types: Mapping[str, type | UnionType]) -> bool:
    return all(
        isinstance(document[name], types[name]) and not isinstance(document[name], bool)
        for name in types.keys() & document.keys()
    )
