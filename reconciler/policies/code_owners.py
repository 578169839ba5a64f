"""CODEOWNERS as GitHub reads it: who owns a file of the repository.

The last pattern that matches a path counts, also if it names no owner. A pattern is one of .gitignore, except that
``!`` and ``[ ]`` mean nothing, and that ``folder/*`` matches what is directly in the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CODE_OWNERS_PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""The places of the file, from the top of the repository; the first that exists counts."""

_COMMENT = re.compile(r"(?:^|\s)#.*")
_TOKENS = re.compile(r"\\.|\*\*/|/\*\*$|\*\*|\*|\?|.", re.DOTALL)


class OwnedPattern(NamedTuple):
    """One line: the paths that it matches, and the owners in lower case, without their @."""

    paths: re.Pattern[str]
    owners: frozenset[str]


def parse_code_owners(text: str) -> tuple[OwnedPattern, ...]:
    """Return the lines of a file; a line with a pattern that GitHub does not know is left out, as GitHub does."""
    return tuple(_parse_lines(text))


def find_owners(patterns: Sequence[OwnedPattern], path: str) -> frozenset[str]:
    """Return the owners of a path from the top of the repository; none if no line matches it."""
    return next((line.owners for line in reversed(patterns) if line.paths.fullmatch(path)), frozenset())


def _parse_lines(text: str) -> Iterator[OwnedPattern]:
    for line in text.splitlines():
        words = re.split(r"(?<!\\)\s+", _COMMENT.sub("", line).strip())
        if words[0] and not words[0].startswith("!") and not {"[", "]"} & set(words[0]):
            yield OwnedPattern(_translate(words[0]), frozenset(word.removeprefix("@").lower() for word in words[1:]))


def _translate(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression of whole paths."""
    body = pattern.removesuffix("/")
    is_anchored = "/" in body
    parts = [_translate_token(token) for token in _TOKENS.findall(body.removeprefix("/"))]
    prefix = "" if is_anchored else "(?:.*/)?"
    below = "/.*" if pattern.endswith("/") else "" if body.endswith("/*") else "(?:/.*)?"
    return re.compile(prefix + "".join(parts) + below, re.DOTALL)


def _translate_token(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "/.*"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    return re.escape(token.removeprefix("\\") if len(token) > 1 else token)
