"""What validation needs of a file that was read, small enough to hand between processes and to remember.

An outline holds for the bytes of its file and for what reading it saw of other files; ``seen`` says what that was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.reading import Reading, read
from reconciler.model import Address, Files, Json


@dataclass(frozen=True, slots=True)
class Mention:
    """A reference that must name something, with its place."""

    text: str
    address: Address
    span: Span


@dataclass(frozen=True, slots=True)
class Outline:
    """One file: the address that it declares, if any, what it references, and what is wrong in it by itself."""

    path: str
    claimed: bool
    address: Address | None = None
    mentions: tuple[Mention, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Watched:
    """Files that remember what was asked of them."""

    files: Files
    seen: dict[str, str] = field(default_factory=dict)

    def file(self, path: str) -> bytes:
        raw = self.files.file(path)
        self.seen[path] = digest(raw)
        return raw

    def exists(self, path: str) -> bool:
        there = self.files.exists(path)
        self.seen.setdefault(path, _ANSWERS[there])
        return there

    def shown(self, path: str) -> str:
        return self.files.shown(path)


_ANSWERS = {True: "there", False: "not there"}


def digest(raw: bytes) -> str:
    """Return the digest of a file's bytes, as Git computes it for a blob."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def outline(files: Files, path: str) -> Outline:
    """Read one file and keep its outline."""
    watched = Watched(files)
    reading = read(watched, path)
    seen = tuple(sorted((name, what) for name, what in watched.seen.items() if name != path))
    if reading is None:
        return Outline(path, claimed=False, seen=seen)
    address = reading.address
    return Outline(path, True, address, tuple(_mentions(reading)), reading.diagnostics, seen)


def still_holds(found: Outline, files: Files) -> bool:
    """Tell whether everything that reading the file saw of others is as it was."""
    return all(_answer(files, path, what) for path, what in found.seen)


def _answer(files: Files, path: str, what: str) -> bool:
    if what in _ANSWERS.values():
        return files.exists(path) == (what == _ANSWERS[True])
    return files.exists(path) and digest(files.file(path)) == what


def _mentions(reading: Reading) -> Iterator[Mention]:
    found: dict[tuple[str, Address], list[str]] = {}
    for each in reading.asset.references if reading.asset else ():
        found.setdefault((each.text, each.address), []).append(each.pointer)
    for (text, address), pointers in found.items():
        yield from (Mention(text, address, span) for span in reading.document.places_of(text, pointers))


def dump(found: Outline) -> str:
    """Write an outline as one line of JSON."""
    return json.dumps(
        [
            found.claimed,
            [found.address.kind, found.address.name] if found.address else None,
            [[m.text, m.address.kind, m.address.name, m.span.line, m.span.column] for m in found.mentions],
            [_plain(each) for each in found.diagnostics],
            found.seen,
        ],
        separators=(",", ":"),
    )


def load(path: str, shown: str, line: str) -> Outline:
    """Read what `dump` wrote, for a file at a path."""
    claimed, address, mentions, problems, seen = json.loads(line)
    return Outline(
        path,
        claimed,
        Address(*address) if address else None,
        tuple(Mention(text, Address(kind, name), Span(shown, *at)) for text, kind, name, *at in mentions),
        tuple(_diagnostic(shown, each) for each in problems),
        tuple((name, what) for name, what in seen),
    )


def _plain(each: Diagnostic) -> Json:
    at = [each.span.line, each.span.column] if each.span else None
    return [each.code, each.message, at, each.hint, str(each.severity)]


def _diagnostic(shown: str, plain: Json) -> Diagnostic:
    code, message, at, hint, severity = plain
    return Diagnostic(code, message, Span(shown, *at) if at else None, hint, Severity(severity))
