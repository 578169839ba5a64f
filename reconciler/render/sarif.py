"""Diagnostics as SARIF 2.1.0, the format in which code scanning takes them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Json
from reconciler.render.explain_pages import load_pages

_SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT_URI_BASE_ID = "%SRCROOT%"  # what paths count from: the usual name of the top of the repository


def diagnostics_to_sarif(found: Sequence[Diagnostic], version: str, root: str = "") -> Json:
    """Return one run of mlgit of that version; ``root`` is where the workspace is in the repository, "" or "a/b/"."""
    codes = sorted({diagnostic.code for diagnostic in found})
    driver = {"name": "mlgit", "version": version, "rules": [_rule_to_json(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result_to_json(diagnostic, codes.index(diagnostic.code), root) for diagnostic in found],
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


def _result_to_json(each: Diagnostic, index: int, root: str) -> Json:
    said = f"{each.message}\n{each.hint}" if each.hint else each.message
    result = {
        "ruleId": each.code,
        "ruleIndex": index,
        "level": str(each.severity),  # SARIF has the same three words
        "message": {"text": said},
    }
    return result | ({"locations": [_location_to_json(each.span, root)]} if each.span else {})


def _location_to_json(span: Span, root: str) -> Json:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(f"{root}{span.path}"), "uriBaseId": _ROOT_URI_BASE_ID},
            "region": {"startLine": span.line, "startColumn": span.column},
        }
    }
