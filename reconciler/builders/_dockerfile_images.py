"""The images of others that a Dockerfile uses: that it starts from (FROM), copies from and mounts (``from=``)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

_GAP = r"(?:[ \t]|\\[ \t]*\n)+"
_FROM = re.compile(
    rf"^[ \t]*FROM{_GAP}(?:--\S+{_GAP})*(?P<image>[^\s\\]+)(?:{_GAP}AS{_GAP}(?P<stage>\S+))?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_COPY = re.compile(rf"^[ \t]*COPY{_GAP}(?:--\S+{_GAP})*?--from=(?P<image>\S+)", re.IGNORECASE | re.MULTILINE)
_RUN = re.compile(rf"^[ \t]*RUN{_GAP}(?:--\S+{_GAP})+", re.IGNORECASE | re.MULTILINE)
_MOUNT = re.compile(r"--mount=(?:[^\s,]+,)*from=(?P<image>[^\s,]+)")
_ARG = re.compile(r"^[ \t]*ARG[ \t]+(?P<rest>.+)$", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?::?(?P<sign>[-+])(?P<word>[^}]*))?\})")
_NO_IMAGE = "scratch"
_ESCAPE = re.compile(r"\s*#\s*escape\s*=\s*`", re.IGNORECASE)  # the directive, which is in the first lines
_HEREDOC = re.compile(r"(?<!<)<<(?P<tabs>-?)(?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)(?=\s|$)")
_WITH_HEREDOC = re.compile(r"\s*(?:RUN|COPY|ADD)\s", re.IGNORECASE)


class _Use(NamedTuple):
    """A use of an image: where its name stands, and the image, None if the Dockerfile does not say which."""

    start: int
    end: int
    image: str | None


def find_bases(dockerfile: str) -> tuple[str, ...]:
    """Return the images that a Dockerfile uses, with the defaults of its arguments in their names; not its stages."""
    return tuple(dict.fromkeys(use.image for use in _find_uses(dockerfile) if use.image is not None))


def find_floating(dockerfile: str) -> tuple[str, ...]:
    """Return the images as written whose names depend on arguments without a default: they cannot be pinned."""
    return tuple(dict.fromkeys(dockerfile[use.start : use.end] for use in _find_uses(dockerfile) if use.image is None))


def pin_bases(dockerfile: str, pinned: Mapping[str, str]) -> str:
    """Return a Dockerfile with the images that it uses replaced."""
    parts, position = [], 0
    for use in sorted(_find_uses(dockerfile)):
        if use.image is not None and use.image in pinned:
            parts += [dockerfile[position : use.start], pinned[use.image]]
            position = use.end
    return "".join((*parts, dockerfile[position:]))


def _find_uses(dockerfile: str) -> Iterator[_Use]:
    instructions = frozenset(_instruction_starts(dockerfile))
    bases = [match for match in _FROM.finditer(dockerfile) if match.start() in instructions]
    defaults = _read_defaults(dockerfile[: bases[0].start()] if bases else "")
    stages: set[str] = set()
    for match in bases:
        image = _expand(match["image"], defaults)
        if image is None or image.lower() not in {_NO_IMAGE, *stages}:
            yield _Use(*match.span("image"), image)
        if match["stage"]:
            stages.add(match["stage"].lower())
    for match in _sources(dockerfile, instructions):
        image = match["image"]
        if not image.isdigit() and "$" not in image and image.lower() not in {_NO_IMAGE, *stages}:
            yield _Use(*match.span("image"), image)


def _instruction_starts(dockerfile: str) -> Iterator[int]:
    """Yield where instructions begin: lines that continue one, and here-documents, can say FROM as well."""
    escape = "`" if _ESCAPE.match(dockerfile) else "\\"
    offset, is_continued, can_have_heredoc, heredocs = 0, False, False, list[tuple[str, str]]()
    for line in dockerfile.split("\n"):
        text = line.strip()
        if heredocs:
            tabs, word = heredocs[0]
            if (line.lstrip("\t") if tabs else line).rstrip("\r") == word:
                heredocs.pop(0)
        elif text and not text.startswith("#"):
            if not is_continued:
                yield offset
                can_have_heredoc = bool(_WITH_HEREDOC.match(line))
            found = _HEREDOC.finditer(line) if can_have_heredoc else ()
            heredocs += [(match["tabs"], match["word"]) for match in found]
            is_continued = text.endswith(escape)
        offset += len(line) + 1


def _sources(dockerfile: str, instructions: Container[int]) -> Iterator[re.Match[str]]:
    """Yield the names after ``from=``; Docker expands no variables in them."""
    yield from (match for match in _COPY.finditer(dockerfile) if match.start() in instructions)
    for run in _RUN.finditer(dockerfile):
        if run.start() in instructions:
            yield from _MOUNT.finditer(dockerfile, *run.span())


def _read_defaults(text: str) -> Mapping[str, str]:
    """Return the defaults of the arguments before the first FROM; one can be in that of another."""
    defaults: dict[str, str] = {}
    for match in _ARG.finditer(text):
        with suppress(ValueError):  # quotes that do not end, which the engine refuses
            for word in shlex.split(match["rest"]):
                name, equals, value = word.partition("=")
                if equals and (expanded := _expand(value, defaults)) is not None:
                    defaults[name] = expanded
    return defaults


def _expand(text: str, defaults: Mapping[str, str]) -> str | None:
    """Return a text with its variables replaced; None if one has no value."""
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        value, sign = defaults.get(match["name"] or match["braced"]), match["sign"]
        if sign == "-":
            return value or match["word"]
        if sign == "+":
            return match["word"] if value else ""
        unknown |= value is None
        return value or ""

    expanded = _VARIABLE.sub(replace, text)
    return None if unknown or "$" in expanded or not expanded else expanded
