"""Write a report as JSON and read it back. What is read may come from the workflow run of a stranger."""

from __future__ import annotations

import json

from reconciler.diagnostics import Diagnostic, Severity, Span, UserError, user_error
from reconciler.format.json_text import parse_json
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import BuildForecast, Forecast, Json, ReuseForecast, parse_address
from reconciler.planning.report import Report
from reconciler.planning.saved import SavedPlan, dump_plan_file, parse_plan_file
from reconciler.render.build_forecasts import build_from_json, build_to_json
from reconciler.render.content_changes import tables_from_json, tables_to_json
from reconciler.render.plan_json import diagnostic_to_json
from reconciler.render.step_forecasts import forecasts_from_json, reuse_to_json

REPORT_FORMAT = 1
_SCHEMA = "report"
_HINT = "make one with `mlgit ci plan --out FOLDER`"


def dump_report(report: Report) -> str:
    """Return a report as the text of a JSON file in ASCII."""
    document = {
        "format": REPORT_FORMAT,
        "base": report.base,
        "commit": report.commit,
        "target": report.target,
        "root": report.root,
        "plan": json.loads(dump_plan_file(report.plan)) if report.plan else None,
        "pending": sorted(report.pending),
        "diagnostics": list(map(diagnostic_to_json, report.diagnostics)),
        "notes": list(report.notes),
        "forecasts": [reuse_to_json(item) for item in report.forecasts if isinstance(item, ReuseForecast)],
        "builds": [build_to_json(item) for item in report.forecasts if isinstance(item, BuildForecast)],
    }
    if tables := tables_to_json(report.forecasts):
        document["tables"] = tables
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def parse_report(path: str, raw: bytes) -> Report:
    """Return the report of a file; raise UserError ``report-file`` if it is none, ``plan-edited`` if it was edited."""
    try:
        document: Json = parse_json(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid_report(path, "is not JSON") from error
    if not is_valid_for_schema(document, _SCHEMA):
        raise _invalid_report(path, "is not a report of this version of mlgit")
    plan = document["plan"]
    return Report(
        document["base"],
        document["commit"],
        _parse_plan(path, plan) if plan is not None else None,
        frozenset(document["pending"]),
        tuple(map(parse_diagnostic, document["diagnostics"])),
        tuple(document["notes"]),
        _parse_forecasts(document),
        document["target"],
        document["root"],
    )


def _parse_plan(path: str, plan: Json) -> SavedPlan:
    try:
        return parse_plan_file(path, json.dumps(plan).encode())
    except UserError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
        raise (error if "plan-edited" in codes else _invalid_report(path, "has no valid plan")) from error


def parse_diagnostic(document: Json) -> Diagnostic:
    """Return the diagnostic of a valid document."""
    span = _parse_span(document) if document["path"] is not None else None
    hint, *example = document["hint"].split("\n")
    places = tuple(map(_parse_span, document.get("places", ())))
    severity = Severity(document["severity"])
    return Diagnostic(document["code"], document["message"], span, hint, severity, places, tuple(example))


def _parse_span(document: Json) -> Span:
    return Span(document["path"], document["line"], document["column"])


def _parse_forecasts(document: Json) -> tuple[Forecast, ...]:
    return (
        *map(build_from_json, document["builds"]),
        *map(_parse_forecast, document["forecasts"]),
        *tables_from_json(document.get("tables", ())),
    )


def _parse_forecast(document: Json) -> ReuseForecast:
    steps = forecasts_from_json(document.get("steps", ()))
    return ReuseForecast(parse_address(document["job"]), steps, document.get("not_asked", ""))


def _invalid_report(path: str, why: str) -> UserError:
    return user_error("report-file", f"{path} {why}", _HINT, Span(path))
