"""What validation needs of a file that was read, small enough to hand between processes and to remember.

An outline holds for the bytes of its file and for what reading it saw of other files; ``seen`` says what that was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.reading import Reading, read
from reconciler.model import Address
from reconciler.source.diagnosed import diagnostic, plain
from reconciler.source.disk import DiskFiles

Seen = tuple[str, str]

_ANSWERS = {True: "there", False: "not there"}


@dataclass(frozen=True, slots=True)
class Mention:
    """A reference that must name something, with its place."""

    text: str
    address: Address
    span: Span


@dataclass(frozen=True, slots=True)
class Outline:
    """One file: the address that it declares, if any, what it references, and what is wrong in it by itself.

    ``seen`` has the file itself and all that reading it asked for: by path, what was there (the digest of a file, or
    whether there is one), and the stamp that the file had then.
    """

    path: str
    claimed: bool
    address: Address | None = None
    mentions: tuple[Mention, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(slots=True)
class Watched:
    """Files that remember what was asked of them, and say the same again."""

    files: DiskFiles
    seen: dict[str, Seen] = field(default_factory=dict)
    _read: dict[str, bytes] = field(default_factory=dict)

    def file(self, path: str) -> bytes:
        if path not in self._read:
            raw, stamp = self.files.stamped(path)
            self._read[path] = raw
            self.seen[path] = (digest(raw), stamp)
        return self._read[path]

    def exists(self, path: str) -> bool:
        if path not in self.seen:
            self.seen[path] = (_ANSWERS[self.files.exists(path)], "")
        return self.seen[path][0] != _ANSWERS[False]

    def shown(self, path: str) -> str:
        return self.files.shown(path)


def digest(raw: bytes) -> str:
    """Return the digest of a file's bytes, as Git computes it for a blob."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def outline(files: DiskFiles, path: str) -> Outline:
    """Read one file and keep its outline."""
    watched = Watched(files)
    reading = read(watched, path)
    if reading is None:
        return Outline(path, claimed=False, seen=watched.seen)
    return Outline(path, True, reading.address, tuple(_mentions(reading)), reading.diagnostics, watched.seen)


def _mentions(reading: Reading) -> Iterator[Mention]:
    found: dict[tuple[str, Address], list[str]] = {}
    for each in reading.asset.references if reading.asset else ():
        found.setdefault((each.text, each.address), []).append(each.pointer)
    for (text, address), pointers in found.items():
        yield from (Mention(text, address, span) for span in reading.document.places_of(text, pointers))


@dataclass(slots=True)
class Present:
    """Files as they are now, each looked at once: whether what an outline saw of them is there still."""

    files: DiskFiles
    _seen: dict[str, Seen] = field(default_factory=dict)
    _there: dict[str, Seen] = field(default_factory=dict)

    def holds(self, found: Outline) -> Outline | None:
        """Return the outline, with the stamps that files have now, where all that it saw is as it was; else None."""
        now = {path: self._now(path, seen) for path, seen in found.seen.items()}
        if now == found.seen:
            return found
        same = all(now[path][0] == what for path, (what, _) in found.seen.items())
        return replace(found, seen=now) if same else None

    def _now(self, path: str, seen: Seen) -> Seen:
        known = self._there if seen[0] in _ANSWERS.values() else self._seen
        if path not in known:
            known[path] = self._exists(path) if known is self._there else self._content(path, seen)
        return known[path]

    def _exists(self, path: str) -> Seen:
        return _ANSWERS[self.files.exists(path)], ""

    def _content(self, path: str, seen: Seen) -> Seen:
        """Return digest and stamp of a file; one that has the stamp it had is not read for that."""
        stamp = self.files.stamp(path)
        if stamp and stamp == seen[1]:
            return seen
        return (digest(self.files.file(path)), stamp) if self.files.exists(path) else self._exists(path)


_write = json.JSONEncoder(separators=(",", ":")).encode


def dump(found: Outline) -> str:
    """Write an outline as one line of JSON."""
    return _write(
        [
            found.claimed,
            [found.address.kind, found.address.name] if found.address else None,
            [[m.text, m.address.kind, m.address.name, m.span.line, m.span.column] for m in found.mentions],
            [plain(each) for each in found.diagnostics],
            found.seen,
        ]
    )


def load(path: str, shown: str, line: str) -> Outline:
    """Read what `dump` wrote, for a file at a path."""
    claimed, address, mentions, problems, seen = json.loads(line)
    return Outline(
        path,
        claimed,
        Address(*address) if address else None,
        tuple(Mention(text, Address(kind, name), Span(shown, *at)) for text, kind, name, *at in mentions),
        tuple(diagnostic(each) for each in problems),
        {name: (what, stamp) for name, (what, stamp) in seen.items()},
    )
