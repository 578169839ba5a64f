"""Fields that Azure ML takes without knowing them: unknown settings of a pipeline, and fields of a component."""

from __future__ import annotations

from functools import cache

from reconciler.format.pointers import split_pointer
from reconciler.format.schema_leaves import schema_leaves
from reconciler.model.support import Ignored, IgnoredField
from reconciler.planning.jobs.support import KNOWN_SETTINGS
from reconciler.planning.support import SupportReport

_REASON = "Azure ML does not know it, and ignores it too"


def ignore_unknown_fields(report: SupportReport, kind: str) -> SupportReport:
    """Return the report on a job, or a step, in which such fields are ignored and no problems."""
    unknown = [item for item in report.problems if not _is_known(kind, item.pointer)]
    pointers = [pointer for problem in unknown for pointer in (problem.pointer, *problem.pointers)]
    ignored = (IgnoredField(pointer, Ignored(pointer, _REASON)) for pointer in pointers)
    problems = tuple(item for item in report.problems if item not in unknown)
    return report._replace(problems=problems, ignored=(*report.ignored, *ignored)) if unknown else report


def _is_known(kind: str, pointer: str) -> bool:
    name, *below = split_pointer(pointer)
    return below[0] in KNOWN_SETTINGS if name == "settings" and below else name in _fields_of(kind)


@cache
def _fields_of(kind: str) -> frozenset[str]:
    """Return the fields of a kind, of all types of it."""
    return frozenset(split_pointer(pointer)[0] for pointer in schema_leaves(kind))
