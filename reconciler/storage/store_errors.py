"""The errors of a store in a folder: what it lacks, and where its disk cannot be used."""

from __future__ import annotations

import errno
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import Content
from reconciler.model.tasks import Task, TaskContent

DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def store_unusable_error(error: OSError, path: Path) -> UserError:
    """Return the error of a disk that is full, or of a folder that cannot be written to."""
    if error.errno in DISK_FULL_ERRNOS:
        message = f"no space left to write {path}: {error.strerror}"
        return user_error("store-full", message, "free some space, or choose a larger disk")
    message = f"the object store cannot use {path}: {error.strerror}"
    return user_error("store-not-usable", message, "check that it is a folder that you may write to")


def replaced_error(task: Task, content: Content, location: str) -> UserError:
    """Return the error of a content of a task that has another sha256, and the same md5, as when it was stored."""
    inputs = (name for name, item in task.inputs.items() if isinstance(item, TaskContent) and item.content == content)
    what = "code" if content == task.code else f"input {next(inputs, content.digest)}"
    message = f"{task.address}: {what} is not as it was stored: what {location} has of it has another sha256"
    hint = "it was replaced on purpose, as its md5 is right: check who may write to the store"
    return user_error("content-corrupt", message, hint)


def missing_error(key: str, root: Path | str) -> UserError:
    """Return the error of an object or a content that the store does not have."""
    message = f"content {key} is missing or incomplete in the store at {root}"
    return user_error("content-missing", message, "store it again from its source")
