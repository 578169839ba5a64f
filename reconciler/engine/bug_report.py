"""Bug reports: what an unexpected exception leaves on the disk, for the people who can fix it.

A report has the places in the code and the types of the exceptions, and no value: the message of an exception can quote
a file, a variable or an address, and any of these can hold a secret.
"""

from __future__ import annotations

import os
import platform
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, UserError, memory_diagnostic
from reconciler.model import Action
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.storage.store_errors import DISK_FULL_ERRNOS
from reconciler.timestamps import utc_timestamp

_FOLDER = "bug-reports"


class UnexpectedError(UserError):
    """The failure of an action by a bug in mlgit or in a plug-in."""


def unexpected_error(error: Exception, action: Action, folder: Path) -> UserError:
    """Return what an unexpected exception is reported as; writes a bug report below a folder of the clone."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        message = f"there is no room left to write {error.filename or 'a file'}"
        return UserError(Diagnostic("disk-full", message, hint="free some space, and run the command again"))
    if diagnostic := memory_diagnostic(error):
        return UserError(diagnostic)
    message = f"an unexpected {type(error).__name__} ended this action: a bug in mlgit or in a plug-in"
    return UnexpectedError(Diagnostic("internal-error", message, hint=_hint(error, action, folder)))


def _hint(error: Exception, action: Action, folder: Path) -> str:
    try:
        path = _write_private_file(folder / _FOLDER, "\n".join(_report_lines(error, action)) + "\n")
    except OSError as write_error:
        return f"please report it; no bug report could be written below {folder}: {write_error.strerror}"
    return f"please report it with {path}, which holds no values of your files; `mlgit apply` tries the action again"


def _report_lines(error: Exception, action: Action) -> Iterator[str]:
    yield f"mlgit {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield f"{utc_timestamp()}: {action.op} {action.address.kind} failed."
    yield "The messages of the exceptions are left out, because they can hold secrets."
    for cause in _exception_chain(error):
        reason = f": {os.strerror(cause.errno)}" if isinstance(cause, OSError) and cause.errno else ""
        yield f"\n{type(cause).__module__}.{type(cause).__qualname__}{reason}"
        frames = traceback.extract_tb(cause.__traceback__)
        yield from (f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)


def _exception_chain(error: BaseException) -> list[BaseException]:
    """Return an exception, what it was raised from, and so on."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain


def _write_private_file(folder: Path, text: str) -> Path:
    """Write a new file that only its owner can read, in such a folder."""
    make_private_folder(folder.parent)
    make_private_folder(folder)
    path = folder / f"{utc_timestamp().replace(':', '')}-{uuid.uuid4().hex[:8]}.txt"
    create_private_file(path, text.encode())
    return path
