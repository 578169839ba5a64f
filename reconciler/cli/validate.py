"""mlgit validate: everything that is wrong in the files, in one run, without state or credentials."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli.options import report_option
from reconciler.cli.report import report
from reconciler.cli.session import offline, open_session
from reconciler.diagnostics import has_errors
from reconciler.format.lowering import lowered
from reconciler.render import text
from reconciler.source import workspace as workspaces
from reconciler.source.disk import STDIN, DiskFiles, listed
from reconciler.source.memo import Memo
from reconciler.source.validation import Checked, check_files


@click.command("validate")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--ref", "revision", metavar="REV", help="Check the workspace at a revision.")
@report_option
def command(paths: tuple[str, ...], revision: str | None, form: str) -> int:
    """Check files, folders or, without PATH, the workspace: schemas, references, rules.

    Offline; nothing is executed, and no Git repository is needed where a PATH is given. A dash reads standard input.
    A reference to something that the files do not declare is a warning: it may be live.

    \b
    mlgit validate
    mlgit validate jobs/train.yml environments
    mlgit validate --ref origin/main --format sarif > mlgit.sarif
    """
    if paths and revision is not None:
        raise click.UsageError("--ref checks a whole workspace; leave the paths out")
    checked, lines = _files(paths) if paths else _workspace(revision)
    report(checked.diagnostics, checked.files, form, lines)
    return int(has_errors(checked.diagnostics))


def _files(paths: tuple[str, ...]) -> tuple[Checked, text.Lines]:
    top = Path.cwd()
    files = DiskFiles(top, {STDIN: sys.stdin.buffer.read()} if STDIN in paths else {})
    found = list(dict.fromkeys(listed(top, paths)))
    checked = check_files(files, found, _memo(top), one_workspace=False)
    return Checked(checked.files, lowered(checked.diagnostics, workspaces.rules_around(top))), files.lines


def _workspace(revision: str | None) -> tuple[Checked, text.Lines]:
    session = open_session(revision)
    found, problems = offline(session)
    return Checked(len(found.documents), problems), session.lines


def _memo(top: Path) -> Memo | None:
    """Return the memo of the repository that a folder is in; elsewhere nothing is remembered."""
    folder = next((each / ".git" for each in (top, *top.parents) if (each / ".git").is_dir()), None)
    return Memo(folder / "mlgit" / "outlines.sqlite") if folder else None
