"""Write the report on an apply as JSON and read it back. What is read may come from the workflow run of a stranger."""

from __future__ import annotations

import json

from reconciler.diagnostics import UserError, user_error
from reconciler.format.json_text import parse_json
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import Json
from reconciler.planning.apply_report import (
    AppliedRun,
    AppliedVersion,
    ApplyReport,
    ApplyVerdict,
    Failure,
    ReviewDifference,
    Waiting,
)
from reconciler.render.plan_json import diagnostic_to_json
from reconciler.render.report_json import parse_diagnostic

RESULT_FORMAT = 1
_SCHEMA = "apply-result"


def dump_result(report: ApplyReport) -> str:
    """Return the report on an apply as the text of a JSON file in ASCII."""
    document = {
        "format": RESULT_FORMAT,
        "commit": report.commit,
        "verdict": str(report.verdict),
        "target": report.target,
        "digest": report.digest,
        "reviewed": list(report.reviewed),
        "versions": [item._asdict() for item in report.versions],
        "runs": [item._asdict() for item in report.runs],
        "changes": list(report.changes),
        "failures": [item._asdict() for item in report.failures],
        "waiting": [item._asdict() for item in report.waiting],
        "differences": [item._asdict() for item in report.differences],
        "errors": list(map(diagnostic_to_json, report.errors)),
        "notes": list(report.notes),
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def parse_result(path: str, raw: bytes) -> ApplyReport:
    """Return the report on an apply; raise UserError ``result-file`` if the file is none."""
    try:
        document: Json = parse_json(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid_result(path, "is not JSON") from error
    if not is_valid_for_schema(document, _SCHEMA):
        raise _invalid_result(path, "is not a result of this version of mlgit")
    return ApplyReport(
        document["commit"],
        ApplyVerdict(document["verdict"]),
        document["target"],
        document["digest"],
        tuple(document["reviewed"]),
        tuple(AppliedVersion(**item) for item in document["versions"]),
        tuple(AppliedRun(**item) for item in document["runs"]),
        tuple(document["changes"]),
        tuple(Failure(**item) for item in document["failures"]),
        tuple(Waiting(**item) for item in document["waiting"]),
        tuple(ReviewDifference(**item) for item in document["differences"]),
        tuple(map(parse_diagnostic, document["errors"])),
        tuple(document["notes"]),
    )


def _invalid_result(path: str, why: str) -> UserError:
    return user_error("result-file", f"{path} {why}", "make one with `mlgit ci apply --out FOLDER`")
