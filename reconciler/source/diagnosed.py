"""Diagnostics as plain JSON and back, for what is remembered between commands."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import Json


def plain(each: Diagnostic) -> Json:
    """Write a diagnostic as a list."""
    at = [each.span.path, each.span.line, each.span.column] if each.span else None
    return [each.code, each.message, at, each.hint, str(each.severity)]


def diagnostic(found: Json) -> Diagnostic:
    """Read what `plain` wrote."""
    code, message, at, hint, severity = found
    return Diagnostic(code, message, Span(*at) if at else None, hint, Severity(severity))
