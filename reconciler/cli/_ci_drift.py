"""mlgit ci drift: what differs from the live state, as files for an issue and for a pull request."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from reconciler.cli.console import echo_line, print_coloured_lines
from reconciler.cli.options import EXIT_CHANGES, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.operations.write_back import make_write_back
from reconciler.planning.write_back import WriteBack
from reconciler.project.drift import ObservedDrift, observe_drift
from reconciler.project.report_files import write_report_files
from reconciler.project.session import Session
from reconciler.render.drift import drift_file_to_json, format_drift
from reconciler.render.drift_markdown import issue_markdown, write_back_to_json
from reconciler.render.plan_json import dump_json
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import WORKSPACE, Root

_FOLDER_TYPE = click.Path(path_type=Path, file_okay=False)


@click.command("drift")
@click.option("--out", "folder", type=_FOLDER_TYPE, metavar="DIR", help="Write the files of the report here.")
@click.option("--write", is_flag=True, help="Change the files of the work tree, where drift is to be written back.")
@click.option("--deep", is_flag=True, help="Verify the content of the store, not only its presence.")
@target_option
def command(folder: Path | None, *, write: bool, deep: bool) -> int:
    """Report drift for an issue, and the changes of files that write it into Git.

    DIR gets drift.json, issue.md and, if `drift:` in mlgit.yml says write-back of what drifted, write-back.json: a pull
    request with the files that then declare what is live. HEAD is compared; with --write, the work tree, which is
    changed. The exit code is 0 if there is no drift, 2 if there is, 1 if that is not known.

    \b
    mlgit ci drift --out drift
    mlgit ci drift --write && git diff
    """
    if folder is None and not write:
        raise click.UsageError("name a folder for the report with --out, or change files with --write")
    session = open_current_session(None if write else "HEAD")
    observed = observe_drift(session, deep=deep)
    write_back = _make_write_back(session, observed)
    if folder is not None:
        write_report_files(session.workspace.repository, folder, _report_files(session, observed, write_back))
    print_coloured_lines(format_drift(observed.report))
    for line in _write_back_lines(write_back, is_written=write):
        echo_line(line)
    if write:
        _change_files(session, write_back)
    if observed.report.counted:
        return EXIT_CHANGES
    if not observed.report.is_complete:
        message = f"it is not known whether there is drift: {observed.report.notes[0]}"
        raise user_error("drift-unknown", message, "run this again where all of it can be reached")
    return 0


def _make_write_back(session: Session, observed: ObservedDrift) -> WriteBack:
    if observed.declared is None:
        return WriteBack()
    state = observed.observed_state
    return make_write_back(observed.report.drift, state, session.tree, observed.declared, session.config)


def _report_files(session: Session, observed: ObservedDrift, write_back: WriteBack) -> Mapping[str, str | None]:
    """Return the files of a report by name; None for one that a former report may have left."""
    report, commit = observed.report, session.source.commit
    document = write_back_to_json(report.target, commit, session.tree.root, write_back) if write_back.changes else None
    return {
        "drift.json": dump_json(drift_file_to_json(report, write_back.addresses)) + "\n",
        "issue.md": issue_markdown(report, write_back, commit),
        "write-back.json": dump_json(document) + "\n" if document else None,
    }


def _write_back_lines(write_back: WriteBack, *, is_written: bool) -> Iterator[str]:
    for change in write_back.changes:
        would, done = ("would remove", "removed") if change.content is None else ("would write", "wrote")
        yield f"{done if is_written else would} {change.path} ({change.address}): {change.summary}"
        yield from (f"  {note}" for note in change.notes)
    yield from (f"not written: {unwritten.address}: {unwritten.reason}" for unwritten in write_back.unwritten)


def _change_files(session: Session, write_back: WriteBack) -> None:
    """Change the files of the work tree; raise UserError ``path-not-writable``."""
    folder = session.workspace.folder
    files = RootedFiles(folder, (Root(os.path.realpath(folder), WORKSPACE),))
    for change in write_back.changes:
        try:
            if change.content is None:
                files.remove_file(change.path)
            elif session.tree.exists(f"{session.tree.root}{change.path}"):
                files.replace_file(change.path, change.content.encode())
            else:  # what Git ignores may be there
                files.create_file(change.path, change.content.encode())
        except OSError as error:
            message = f"{change.path} cannot be changed: {error.strerror}"
            raise user_error("path-not-writable", message, "what was said before it is done") from error
