"""Symbolic links of a Git tree: a link is a blob whose content is the path that it points to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

_BROKEN_LINK_REASONS = {
    "link-outside": "is outside the repository",
    "link-circle": "leads back to the link",
    "link-dangling": "does not exist",
}
_MAX_LINKS = 40  # links in one path, as in Linux


class PathProblem(NamedTuple):
    """Why a path cannot be used: the code of the diagnostic, the path as the user sees it, what is wrong, a hint."""

    code: str
    subject: str
    predicate: str
    hint: str

    def __str__(self) -> str:
        return f"{self.subject} {self.predicate}"


def broken_link_problem(code: str, link: str, target: str) -> PathProblem:
    """Return the problem of a link that cannot be followed; ``link`` is its path as the user sees it."""
    predicate = f"is a symbolic link to {target}, which {_BROKEN_LINK_REASONS[code]}"
    return PathProblem(code, link, predicate, "replace the link with a copy of its target")


class BrokenLinkError(Exception):
    """A link cannot be followed. ``code`` is the code of the diagnostic, ``link`` the path of the link."""

    def __init__(self, code: str, link: str, target: str) -> None:
        super().__init__(code, link, target)
        self.code = code
        self.link = link
        self.target = target


def follow_links(path: str, target_of: Callable[[str], str | None]) -> str:
    """Return a path with all links followed; ``target_of`` returns the target of a link, None for other paths.

    The result need not exist. Raise BrokenLinkError if the path or a link leads out of the tree, or in a circle.
    """
    if path.startswith("/"):
        raise BrokenLinkError("link-outside", "", path)
    pending, followed = path.split("/")[::-1], 0
    resolved: list[str] = []
    link = target = ""
    while pending:
        part = pending.pop()
        if part == ".." and not resolved:
            raise BrokenLinkError("link-outside", link, target)
        if part == "..":
            resolved.pop()
        if part in ("", ".", ".."):
            continue
        resolved.append(part)
        next_target = target_of("/".join(resolved))
        if next_target is None:
            continue
        link, target, followed = "/".join(resolved), next_target, followed + 1
        if followed > _MAX_LINKS:
            raise BrokenLinkError("link-circle", link, target)
        if target.startswith("/"):
            raise BrokenLinkError("link-outside", link, target)
        resolved.pop()
        pending += target.split("/")[::-1]
    return "/".join(resolved)
