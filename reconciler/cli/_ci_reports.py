"""The arguments of commands that follow reviewed reports."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import CommandFunction
from reconciler.planning.report import Report
from reconciler.project.review import check_reports, read_reports
from reconciler.project.session import Session

_PATH_TYPE = click.Path(path_type=Path, exists=True)


def reports_argument(function: CommandFunction) -> CommandFunction:
    """Add the argument REPORT..., a file or a folder each."""
    return click.argument("paths", metavar="[REPORT]...", nargs=-1, type=_PATH_TYPE)(function)


def open_reports(session: Session, paths: tuple[Path, ...]) -> tuple[Report, ...]:
    """Return the reports; raise UserError if one is none, is of another live state, or has no plan."""
    reports = read_reports(paths)
    check_reports(reports, session.config)
    return reports
