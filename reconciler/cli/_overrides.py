"""The option --set of commands that concern one job: its file counts with other values than those written in it."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from reconciler.cli._job_argument import find_declared_job
from reconciler.format.overrides import format_options
from reconciler.model import State
from reconciler.project.session import Session
from reconciler.source.overridden_assets import FileOverrides


def override_job(session: Session, state: State, job: str, options: tuple[str, ...]) -> Session:
    """Return a session in which the file of a job has the values of options; raise UserError if there is no such job.

    A file that is wrong as it is may be right with them.
    """
    declared = session.read_assets()
    readable = declared._replace(assets=declared.readable_assets)
    address = find_declared_job(session, state, readable, job)
    return replace(session, overrides=FileOverrides(readable.assets[address].source, options))


def file_of_overrides(session: Session) -> Path:
    """Return the file that has the values of options, from the current folder."""
    if session.overrides is None:
        raise AssertionError(session)
    file = session.workspace.folder / session.tree.display_path(session.overrides.path)
    return Path(os.path.relpath(file, Path.cwd()))


def run_command(session: Session) -> str:
    """Return the command that runs the job of a session with its overrides; without secrets."""
    options = session.overrides.options if session.overrides else ()
    values = " ".join(map(shlex.quote, format_options(options)))
    return f"mlgit run {shlex.quote(str(file_of_overrides(session)))} --set {values}"
