"""Diagnostics as SARIF 2.1.0, the format in which code scanning takes them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Json
from reconciler.render.pages import pages

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"  # what paths count from: the usual name of the top of the repository


def sarif(found: Sequence[Diagnostic], version: str, root: str = "") -> Json:
    """Return one run of mlgit of that version; ``root`` is where the workspace is in the repository, "" or "a/b/"."""
    codes = sorted({each.code for each in found})
    driver = {"name": "mlgit", "version": version, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code), root) for each in found],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> Json:
    page = pages().get(code)
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": f"{page.summary}."},
        "fullDescription": {"text": page.meaning},
        "help": {"text": page.body, "markdown": page.body},
    }


def _result(each: Diagnostic, index: int, root: str) -> Json:
    said = f"{each.message}\n{each.hint}" if each.hint else each.message
    result = {
        "ruleId": each.code,
        "ruleIndex": index,
        "level": str(each.severity),  # SARIF has the same three words
        "message": {"text": said},
    }
    return result | ({"locations": [_location(each.span, root)]} if each.span else {})


def _location(span: Span, root: str) -> Json:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(f"{root}{span.path}"), "uriBaseId": _ROOT},
            "region": {"startLine": span.line, "startColumn": span.column},
        }
    }
