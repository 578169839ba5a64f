"""Diagnostics on standard output, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import click

from reconciler import __version__
from reconciler.diagnostics import Diagnostic
from reconciler.render import plan_json, text
from reconciler.render.github import diagnostics_to_github
from reconciler.render.sarif import diagnostics_to_sarif


def print_diagnostics(found: Sequence[Diagnostic], files: int, form: str, lines: text.SourceLineReader) -> None:
    """Write what was found in ``files`` files."""
    match form:
        case "json":
            click.echo(plan_json.dump_json(plan_json.diagnostics_to_json(found, files)))
        case "sarif":
            click.echo(plan_json.dump_json(diagnostics_to_sarif(found, __version__)))
        case "github":
            click.echo(diagnostics_to_github(found))
        case _:
            if found:
                click.echo(text.format_diagnostics(found, lines))
            click.echo(text.format_validation_summary(found, files))
