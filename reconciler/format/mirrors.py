"""Mirrors: files of the workspace, or other URLs, that take the place of URIs in files (``mirrors:`` of mlgit.yml)."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple
from urllib.parse import unquote

from reconciler.format.pointers import join_pointer
from reconciler.model import FileReader, LocalPath, Tree

Mirrors = tuple[tuple[str, str], ...]
"""Prefixes of URIs, each with what takes its place: a path from the folder of mlgit.yml, or another URL."""

_URI = re.compile(r"(?P<host>[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(?P<rest>.*)", re.DOTALL)
_WEB_SCHEMES = ("https://", "http://")


class UsedMirror(NamedTuple):
    """What takes the place of a URI: a path from the folder of mlgit.yml, or a URL; the other one is blank."""

    path: str = ""
    url: str = ""


NO_MIRROR = UsedMirror()


def is_web_url(text: str) -> bool:
    """Return True for an http or https URL."""
    return text.lower().startswith(_WEB_SCHEMES)


def find_mirror(mirrors: Mirrors, uri: str) -> UsedMirror:
    """Return what takes the place of a URI. The longest prefix counts; it ends where a part of the path does."""
    normal = _with_lower_case_host(uri)
    best, rest = ("", ""), ""
    for prefix, replacement in mirrors:
        start = _with_lower_case_host(prefix).rstrip("/")
        if normal.startswith(start) and normal[len(start) :][:1] in ("", "/", "?", "#") and len(start) > len(best[0]):
            best, rest = (start, replacement), normal[len(start) :]
    _, replacement = best
    if not replacement:
        return NO_MIRROR
    if is_web_url(replacement):
        return UsedMirror(url=replacement.rstrip("/") + rest)
    return UsedMirror(path=_join_inside(replacement, rest))


def _with_lower_case_host(uri: str) -> str:
    """Return a URI with its scheme and its host in lower case, in which their case does not count."""
    match = _URI.fullmatch(uri.strip())
    return match["host"].lower() + match["rest"] if match else ""


def _join_inside(folder: str, rest: str) -> str:
    """Return the path of what follows a prefix, below the folder of a mirror; "" if it would leave the folder."""
    below = posixpath.normpath(unquote(re.split(r"[?#]", rest, maxsplit=1)[0]).lstrip("/") or ".")
    if below.split("/", 1)[0] == ".." or "\0" in below:
        return ""
    return posixpath.normpath(posixpath.join(folder, below))


class MirroredFiles(NamedTuple):
    """The mirrors of a workspace, and its files."""

    mirrors: Mirrors
    files: FileReader

    def find_path(self, keys: tuple[str, ...], text: str, *, is_literal: bool) -> LocalPath | None:
        """Return the path of the files that take the place of a URI; None if no files do.

        A literal may be a URI that is no file: for one, files count only if they exist.
        """
        path = find_mirror(self.mirrors, text).path if self.mirrors and "://" in text else ""
        if not path:
            return None
        root = self.files.root if isinstance(self.files, Tree) else ""
        path = posixpath.normpath(f"{root}{path}")
        if is_literal and not self.files.exists(path):
            return None
        return LocalPath(join_pointer(*keys), text, path)
