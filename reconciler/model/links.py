"""Symbolic links of a Git tree, followed: a link is a blob whose bytes are the path that it points to."""

from __future__ import annotations

from collections.abc import Callable

_MAX_LINKS = 40  # links on one way, as Linux has it


class BrokenLinkError(Exception):
    """Says why a path cannot be followed: ``code`` is that of a diagnostic, ``link`` the path of the link."""

    def __init__(self, code: str, link: str, target: str) -> None:
        super().__init__(code, link, target)
        self.code = code
        self.link = link
        self.target = target


def follow_links(path: str, target_of: Callable[[str], str | None]) -> str:
    """Return a path without links on its way; ``target_of`` gives what a path points to, None where it is no link.

    Raises BrokenLinkError for a link that leads out of the tree, or round in a circle. What it leads to need not exist.
    """
    left, links = path.split("/")[::-1], 0
    there: list[str] = []
    link = target = ""
    while left:
        part = left.pop()
        if part == ".." and not there:
            raise BrokenLinkError("link-outside", link, target)
        if part == "..":
            there.pop()
        if part in ("", ".", ".."):
            continue
        there.append(part)
        found = target_of("/".join(there))
        if found is None:
            continue
        link, target, links = "/".join(there), found, links + 1
        if links > _MAX_LINKS:
            raise BrokenLinkError("link-circle", link, target)
        if found.startswith("/"):
            raise BrokenLinkError("link-outside", link, target)
        there.pop()
        left += found.split("/")[::-1]
    return "/".join(there)
