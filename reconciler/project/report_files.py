"""The files of a report, in a folder that the user names; no link of a repository is followed on the way to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.git.repository import Repository
from reconciler.source.local_exclude import ignore_in_clone
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import GIT_FOLDER, Root

_HINT = "name a folder that is not in Git, such as one outside of the repository"


def write_report_files(repository: Repository, folder: Path, files: Mapping[str, str | None]) -> None:
    """Write files into a folder, which is made if it is missing; Git ignores it in this clone.

    A file that is None is removed: it is of an earlier report.

    Raise UserError ``report-not-written``.
    """
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - follows no links
    _refuse_links(folder, absolute)
    try:
        absolute.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # Git's folder may be read-only
            ignore_in_clone(repository, absolute)
        rooted = RootedFiles(absolute, (Root(os.path.realpath(absolute), f"the folder {folder}"),))
        for name, text in files.items():
            _refuse_links(folder, absolute / name)
            if text is not None:
                rooted.replace_file(name, text.encode())
            elif rooted.is_file(name):
                rooted.remove_file(name)
    except UserError:
        raise
    except OSError as error:
        raise user_error(
            "report-not-written", f"cannot write the report to {folder}: {error.strerror}", _HINT
        ) from error


def _refuse_links(folder: Path, path: Path) -> None:
    """Raise UserError if a link in a repository is on the way to a path: a stranger may have made it."""
    is_inside = False
    for parent in (*reversed(path.parents), path):
        if is_inside and parent.is_symlink():
            message = f"the report is not written to {folder}: {parent} is a symbolic link"
            raise user_error("report-not-written", message, _HINT)
        is_inside = is_inside or os.path.lexists(parent / GIT_FOLDER)
