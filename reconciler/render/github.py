"""Diagnostics as GitHub's workflow commands: it shows each beside its line in a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def github(found: Iterable[Diagnostic], root: str = "") -> str:
    """Write one command a line; ``root`` is where the workspace is in the repository, "" or "a/b/"."""
    return "\n".join(_command(each, root) for each in found)


def _command(each: Diagnostic, root: str) -> str:
    properties = {"title": each.code}
    if each.span is not None:
        place = {"file": f"{root}{each.span.path}", "line": str(each.span.line), "col": str(each.span.column)}
        properties = place | properties
    said = f"{each.message}\n{each.hint}" if each.hint else each.message
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[each.severity]} {listed}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
