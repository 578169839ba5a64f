"""Render diagnostics as GitHub workflow commands, which GitHub shows as annotations in a pull request.

GitHub shows ten errors, ten warnings and ten notices of a step, and says nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import Diagnostic, Severity, place_in_message, sort_by_severity
from reconciler.render.sanitize import sanitize_line

_COMMAND_NAMES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_MAX_SHOWN = 10  # of each


def worst_to_github(diagnostics: Iterable[Diagnostic], root: str, others: str) -> str:
    """Return the commands that GitHub shows, the worst first, and a last line that the other diagnostics are in a file.

    ``root`` is as for `diagnostics_to_github`, ``others`` the name of the file.
    """
    by_severity: dict[Severity, list[Diagnostic]] = {}
    for diagnostic in sort_by_severity(diagnostics):
        by_severity.setdefault(diagnostic.severity, []).append(diagnostic)
    shown = [diagnostic for found in by_severity.values() for diagnostic in found[:_MAX_SHOWN]]
    hidden = {severity: len(found) - _MAX_SHOWN for severity, found in by_severity.items() if len(found) > _MAX_SHOWN}
    phrases = [pluralize(number, f"more {severity}") for severity, number in hidden.items()]
    last = [f"{', '.join(phrases)}: see {others}"] if phrases else []
    return "\n".join([*filter(None, [diagnostics_to_github(shown, root)]), *last])


def diagnostics_to_github(diagnostics: Iterable[Diagnostic], root: str = "") -> str:
    """Return one command per line; ``root`` is the path of the workspace in the repository, "" or "a/b/"."""
    return "\n".join(_workflow_command(diagnostic, root) for diagnostic in diagnostics)


def _workflow_command(diagnostic: Diagnostic, root: str) -> str:
    diagnostic = place_in_message(diagnostic)
    properties = {"title": diagnostic.code}
    if diagnostic.span is not None:
        position = {
            "file": f"{root}{diagnostic.span.path}",
            "line": str(diagnostic.span.line),
            "col": str(diagnostic.span.column),
        }
        properties = position | properties
    places = f"also at {', '.join(f'{root}{place}' for place in diagnostic.places)}" if diagnostic.places else ""
    message = "\n".join(
        map(sanitize_line, filter(None, (diagnostic.message, diagnostic.hint, *diagnostic.example, places)))
    )
    property_list = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{_COMMAND_NAMES[diagnostic.severity]} {property_list}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    """Return text as GitHub reads it back, on one line; other unsafe characters than line breaks become signs."""
    return sanitize_line(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
