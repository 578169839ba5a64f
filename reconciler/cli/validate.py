"""mlgit validate: everything that is wrong in the files, in one run, without state or credentials.

What checks a whole workspace is loaded by name, and only for one: files that are named need no Git.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from reconciler.cli.diagnostics_output import print_diagnostics
from reconciler.cli.options import diagnostics_format_option, target_option
from reconciler.diagnostics import has_errors
from reconciler.format.severity import apply_severity_overrides
from reconciler.render import text
from reconciler.source.discovery import read_workspace_rules
from reconciler.source.disk import STDIN, DiskFiles, expand_paths
from reconciler.source.validation import CheckResult, check_files
from reconciler.source.validation_cache import ValidationCache


@click.command("validate")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--ref", "revision", metavar="REV", help="Check the workspace, or PATHs of it, at a revision.")
@diagnostics_format_option
@target_option
def command(paths: tuple[str, ...], revision: str | None, form: str) -> int:
    """Check files, folders or, without PATH, the workspace: schemas, references, rules.

    Offline; nothing is executed, and no Git repository is needed where a PATH is given. A dash reads standard input.
    A reference to something that the files do not declare is a warning: it may be live.

    \b
    mlgit validate
    mlgit validate jobs/train.yml environments
    mlgit validate --ref origin/main --format sarif > mlgit.sarif
    """
    checked, lines = _check_files(paths) if paths and revision is None else _check_workspace(revision, paths)
    print_diagnostics(checked.diagnostics, checked.file_count, form, lines)
    return int(has_errors(checked.diagnostics))


def _check_files(paths: tuple[str, ...]) -> tuple[CheckResult, text.SourceLineReader]:
    top = Path.cwd()
    files = DiskFiles(top, {STDIN: sys.stdin.buffer.read()} if STDIN in paths else {})
    found = list(dict.fromkeys(expand_paths(top, paths)))
    checked = check_files(files, found, _open_validation_cache(top), one_workspace=False)
    return CheckResult(
        checked.file_count, apply_severity_overrides(checked.diagnostics, read_workspace_rules(top))
    ), files.read_lines


def _check_workspace(revision: str | None, paths: tuple[str, ...]) -> tuple[CheckResult, text.SourceLineReader]:
    found: tuple[CheckResult, text.SourceLineReader] = importlib.import_module(
        "reconciler.cli._validate_workspace"
    ).check_workspace(revision, paths)
    return found


def _open_validation_cache(top: Path) -> ValidationCache | None:
    """Return the memo of the repository that a folder is in; elsewhere nothing is remembered."""
    folder = next((path / ".git" for path in (top, *top.parents) if (path / ".git").is_dir()), None)
    return ValidationCache(folder / "mlgit" / "outlines.sqlite") if folder else None
