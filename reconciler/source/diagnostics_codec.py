"""Diagnostics as plain JSON and back, for what is remembered between commands."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import Json

_MAX_POSITION = 2**31  # lines and columns, which files of a few megabytes do not have


def encode_diagnostic(each: Diagnostic) -> Json:
    """Write a diagnostic as a list."""
    at = [each.span.path, each.span.line, each.span.column] if each.span else None
    return [each.code, each.message, at, each.hint, str(each.severity)]


def decode_diagnostic(found: Json) -> Diagnostic:
    """Read what `plain` wrote; a ValueError or TypeError where it is nothing of that sort."""
    code, message, at, hint, severity = found
    if not all(isinstance(each, str) for each in (code, message, hint)):
        raise TypeError(found)
    return Diagnostic(code, message, _decode_span(*at) if at else None, hint, Severity(severity))


def _decode_span(path: Json, line: Json, column: Json) -> Span:
    if not (isinstance(path, str) and path.isprintable()):
        raise TypeError(path)
    if not all(type(each) is int and 0 < each < _MAX_POSITION for each in (line, column)):
        raise ValueError(path)
    return Span(path, line, column)
