"""Diagnostics as GitHub's workflow commands: it shows each beside its line in a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic, Severity

_COMMAND_NAMES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def diagnostics_to_github(found: Iterable[Diagnostic], root: str = "") -> str:
    """Write one command a line; ``root`` is where the workspace is in the repository, "" or "a/b/"."""
    return "\n".join(_workflow_command(diagnostic, root) for diagnostic in found)


def _workflow_command(each: Diagnostic, root: str) -> str:
    properties = {"title": each.code}
    if each.span is not None:
        place = {"file": f"{root}{each.span.path}", "line": str(each.span.line), "col": str(each.span.column)}
        properties = place | properties
    said = f"{each.message}\n{each.hint}" if each.hint else each.message
    listed = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{_COMMAND_NAMES[each.severity]} {listed}::{_escape_data(said)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
