"""The manifest of a folder: its files by relative path and Git mode, checked, sorted, with one digest. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.diagnostics import UserError, user_error

REGULAR_MODE, EXECUTABLE_MODE, SYMLINK_MODE = 0o100644, 0o100755, 0o120000
MAX_LINK_BYTES = 4096  # no system follows a longer target
_MAX_FOLDERS = 400  # in each other: functions of Python's library that call themselves fail at fewer than a thousand
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a folder; the content of a link is its target as text."""

    path: str
    mode: int
    md5: str
    sha256: str
    size: int


def manifest_sha256(entries: Iterable[ManifestEntry]) -> str:
    """Return the digest of the canonical manifest: sorted lines of path, mode and sha256, as compact JSON in UTF-8.

    It covers what the key of dvc does not: whether a file is executable, and whether it is a link.
    """
    rows = sorted([entry.path, f"{entry.mode:o}", entry.sha256] for entry in entries)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def special_modes(entries: Iterable[ManifestEntry]) -> dict[str, int]:
    """Return the modes that are stored beside dvc's listing: those of all files that are not regular."""
    return {entry.path: entry.mode for entry in entries if entry.mode != REGULAR_MODE}


def is_safe_relative_path(path: str) -> bool:
    """Return True if a relative path names a file below its folder, in its only spelling."""
    return "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def check_path(path: str) -> None:
    """Raise UserError for a path that cannot be stored: outside of the folder, or not UTF-8."""
    if not is_safe_relative_path(path):
        raise user_error("path-outside", f"'{path}' is not the path of a file in its folder", "use a relative path")
    check_depth(path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise user_error("name-not-text", f"the name of {path!r} is not UTF-8", "rename the file") from error


def check_depth(path: str) -> None:
    """Raise UserError for a path in more folders than can be stored."""
    if path.count("/") > _MAX_FOLDERS:
        message = f"'{path[:_SHOWN_CHARACTERS]}...' is in more than {_MAX_FOLDERS} folders, which cannot be stored"
        raise user_error("path-unreadable", message, "put it into fewer folders, or into an archive")


def check_mode(path: str, mode: int) -> None:
    """Raise UserError for what is neither a file nor a link, such as a Git submodule."""
    if mode not in {REGULAR_MODE, EXECUTABLE_MODE, SYMLINK_MODE}:
        message = f"'{path}' is neither a file nor a link (Git mode {mode:o})"
        raise user_error("not-a-file", message, "replace a submodule by its files")


def check_link(path: str, target: bytes) -> None:
    """Raise UserError for a link that leaves the folder.

    ``..`` is only allowed at the start: after a name, it could leave the target of another link.
    """
    if len(target) > MAX_LINK_BYTES:
        message = f"'{path}' is a link to a target of more than {MAX_LINK_BYTES} bytes, which cannot be followed"
        raise user_error("link-dangling", message, "remove the link, or restore its target")
    parts = target.decode(errors="surrogateescape").split("/")
    names = [part for part in parts if part != "."]
    climbs = next((index for index, part in enumerate(names) if part != ".."), len(names))
    depth = path.count("/")
    if not target or b"\0" in target or target.startswith(b"/") or climbs > depth or ".." in names[climbs:]:
        raise link_outside_error(path, target.decode(errors="replace"))


def link_outside_error(path: str, target: str) -> UserError:
    """Return the error of a link that leaves its folder."""
    message = f"'{path}' is a link to '{target}', which is outside of the folder"
    return user_error("link-outside", message, "replace the link by a copy of its target")


def check_path_conflicts(paths: Iterable[str]) -> None:
    """Raise UserError if two entries cannot be in one folder: a path twice, or a file that is a folder too."""
    checked: set[str] = set()
    for path in paths:
        if path in checked:
            raise user_error("path-twice", f"'{path}' occurs twice", "keep one of the two")
        checked.add(path)
    for path in checked:
        parent = posixpath.dirname(path)
        while parent:
            if parent in checked:
                raise user_error("path-twice", f"'{parent}' is a file and a folder ('{path}')", "rename one of the two")
            parent = posixpath.dirname(parent)
