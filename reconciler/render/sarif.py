"""Render diagnostics as SARIF 2.1.0, the format of GitHub code scanning."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, Span, place_in_message, sort_by_severity
from reconciler.model import Json
from reconciler.render.explain_pages import load_pages
from reconciler.render.sanitize import sanitize_line

_SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_MAX_RESULTS = 25_000  # of a run, which GitHub takes
_WORKSPACE_FILE = "mlgit.yml"  # the place of what has none: GitHub refuses a file with a result without a place
_ROOT_URI_BASE_ID = "%SRCROOT%"  # the conventional name for the root of the repository


def diagnostics_to_sarif(diagnostics: Sequence[Diagnostic], version: str, root: str = "") -> Json:
    """Return a SARIF log with one run; ``root`` is the path of the workspace in the repository, "" or "a/b/"."""
    diagnostics = sort_by_severity(diagnostics)[:_MAX_RESULTS]
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "mlgit", "version": version, "rules": [_rule_to_json(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result_to_json(diagnostic, codes.index(diagnostic.code), root) for diagnostic in diagnostics],
    }
    return {"$schema": _SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def _rule_to_json(code: str) -> Json:
    page = load_pages().get(code)
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": f"{page.summary}."},
        "fullDescription": {"text": page.meaning},
        "help": {"text": page.body, "markdown": page.body},
    }


def _result_to_json(diagnostic: Diagnostic, index: int, root: str) -> Json:
    diagnostic = place_in_message(diagnostic)
    message = "\n".join(map(sanitize_line, filter(None, (diagnostic.message, diagnostic.hint, *diagnostic.example))))
    result = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": str(diagnostic.severity),  # SARIF has the same three levels
        "message": {"text": message},
        "locations": [_location_to_json(diagnostic.span or Span(_WORKSPACE_FILE), root)],
    }
    related = [_location_to_json(place, root) for place in diagnostic.places]
    return result | ({"relatedLocations": related} if related else {})


def _location_to_json(span: Span, root: str) -> Json:
    return {
        "physicalLocation": {
            "artifactLocation": {
                "uri": quote(f"{root}{span.path}", errors="surrogateescape"),
                "uriBaseId": _ROOT_URI_BASE_ID,
            },
            "region": {"startLine": span.line, "startColumn": span.column},
        }
    }
