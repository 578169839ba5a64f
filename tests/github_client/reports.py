"""Reports for tests of what is done with them."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic, Span
from reconciler.planning.apply_report import AppliedRun, ApplyReport, ApplyVerdict
from reconciler.planning.report import Report
from reconciler.render.report_json import dump_report
from reconciler.render.result_json import dump_result


def report(note: str = "The first plan.", message: str = "no such data", **fields: object) -> str:
    """Return report.json."""
    diagnostics = (Diagnostic("reference-missing", message, Span("jobs/train.yml", 3, 1)),)
    return dump_report(Report("b" * 40, "d" * 40, None, diagnostics=diagnostics, notes=(note,), **fields))


def result(*runs: str, commit: str = "c" * 40) -> str:
    """Return result.json of an apply that has submitted some runs."""
    submitted = tuple(AppliedRun("job/train", run, "running", "submitted") for run in runs)
    return dump_result(ApplyReport(commit, ApplyVerdict.APPLIED, runs=submitted))
