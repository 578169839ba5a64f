"""Diagnostics on standard output, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import click

from reconciler import __version__
from reconciler.diagnostics import Diagnostic
from reconciler.render import as_json, text
from reconciler.render.github import github
from reconciler.render.sarif import sarif


def report(found: Sequence[Diagnostic], files: int, form: str, lines: text.Lines) -> None:
    """Write what was found in ``files`` files."""
    match form:
        case "json":
            click.echo(as_json.dump(as_json.diagnostics(found, files)))
        case "sarif":
            click.echo(as_json.dump(sarif(found, __version__)))
        case "github":
            click.echo(github(found))
        case _:
            if found:
                click.echo(text.diagnostics(found, lines))
            click.echo(text.summary(found, files))
