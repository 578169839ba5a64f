"""mlgit validate: everything that is wrong in the files, in one run, without state or credentials.

What checks a whole workspace is loaded by name, and only for one: files that are named need no Git.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from reconciler.cli.options import report_option, target_option
from reconciler.cli.report import report
from reconciler.diagnostics import has_errors
from reconciler.format.lowering import lowered
from reconciler.render import text
from reconciler.source.around import rules_around
from reconciler.source.disk import STDIN, DiskFiles, listed
from reconciler.source.memo import Memo
from reconciler.source.validation import Checked, check_files


@click.command("validate")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--ref", "revision", metavar="REV", help="Check the workspace, or PATHs of it, at a revision.")
@report_option
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
    checked, lines = _files(paths) if paths and revision is None else _workspace(revision, paths)
    report(checked.diagnostics, checked.files, form, lines)
    return int(has_errors(checked.diagnostics))


def _files(paths: tuple[str, ...]) -> tuple[Checked, text.Lines]:
    top = Path.cwd()
    files = DiskFiles(top, {STDIN: sys.stdin.buffer.read()} if STDIN in paths else {})
    found = list(dict.fromkeys(listed(top, paths)))
    checked = check_files(files, found, _memo(top), one_workspace=False)
    return Checked(checked.files, lowered(checked.diagnostics, rules_around(top))), files.lines


def _workspace(revision: str | None, paths: tuple[str, ...]) -> tuple[Checked, text.Lines]:
    found: tuple[Checked, text.Lines] = importlib.import_module("reconciler.cli.whole").check(revision, paths)
    return found


def _memo(top: Path) -> Memo | None:
    """Return the memo of the repository that a folder is in; elsewhere nothing is remembered."""
    folder = next((each / ".git" for each in (top, *top.parents) if (each / ".git").is_dir()), None)
    return Memo(folder / "mlgit" / "outlines.sqlite") if folder else None
