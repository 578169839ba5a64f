"""What validation needs of a file that was read, small enough to hand between processes and to remember.

An outline holds for the bytes of its file and for what reading it saw of other files; ``seen`` says what that was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.load import LoadedFile, load_asset_file
from reconciler.model import Address
from reconciler.source.diagnostics_codec import decode_diagnostic, encode_diagnostic
from reconciler.source.disk import DiskFiles

DepFingerprint = tuple[str, str]

_EXISTENCE = {True: "there", False: "not there"}


@dataclass(frozen=True, slots=True)
class LocatedReference:
    """A reference that must name something, with its place."""

    text: str
    address: Address
    span: Span


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One file: the address that it declares, if any, what it references, and what is wrong in it by itself.

    ``seen`` has the file itself and all that reading it asked for: by path, what was there (the digest of a file, or
    whether there is one), and the stamp that the file had then.
    """

    path: str
    is_asset: bool
    address: Address | None = None
    references: tuple[LocatedReference, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    deps: Mapping[str, DepFingerprint] = field(default_factory=dict)


@dataclass(slots=True)
class TracedFiles:
    """Files that remember what was asked of them, and say the same again."""

    files: DiskFiles
    deps: dict[str, DepFingerprint] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)

    def read_file(self, path: str) -> bytes:
        if path not in self._contents:
            raw, stamp = self.files.read_with_stamp(path)
            self._contents[path] = raw
            self.deps[path] = (blob_oid(raw), stamp)
        return self._contents[path]

    def exists(self, path: str) -> bool:
        if path not in self.deps:
            self.deps[path] = (_EXISTENCE[self.files.exists(path)], "")
        return self.deps[path][0] != _EXISTENCE[False]

    def display_path(self, path: str) -> str:
        return self.files.display_path(path)


def blob_oid(raw: bytes) -> str:
    """Return the digest of a file's bytes, as Git computes it for a blob."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def summarise_file(files: DiskFiles, path: str) -> FileSummary:
    """Read one file and keep its outline."""
    watched = TracedFiles(files)
    reading = load_asset_file(watched, path)
    if reading is None:
        return FileSummary(path, is_asset=False, deps=watched.deps)
    return FileSummary(
        path, True, reading.address, tuple(_locate_references(reading)), reading.diagnostics, watched.deps
    )


def _locate_references(reading: LoadedFile) -> Iterator[LocatedReference]:
    found: dict[tuple[str, Address], list[str]] = {}
    for reference in reading.asset.references if reading.asset else ():
        found.setdefault((reference.text, reference.address), []).append(reference.pointer)
    for (text, address), pointers in found.items():
        yield from (LocatedReference(text, address, span) for span in reading.document.spans_of(text, pointers))


@dataclass(slots=True)
class DepChecker:
    """Files as they are now, each looked at once: whether what an outline saw of them is there still."""

    files: DiskFiles
    _known_content: dict[str, DepFingerprint] = field(default_factory=dict)
    _known_existence: dict[str, DepFingerprint] = field(default_factory=dict)

    def revalidate(self, found: FileSummary) -> FileSummary | None:
        """Return the outline, with the stamps that files have now, where all that it saw is as it was; else None."""
        now = {path: self._current_fingerprint(path, seen) for path, seen in found.deps.items()}
        if now == found.deps:
            return found
        same = all(now[path][0] == what for path, (what, _) in found.deps.items())
        return replace(found, deps=now) if same else None

    def _current_fingerprint(self, path: str, seen: DepFingerprint) -> DepFingerprint:
        known = self._known_existence if seen[0] in _EXISTENCE.values() else self._known_content
        if path not in known:
            known[path] = (
                self._check_existence(path) if known is self._known_existence else self._check_content(path, seen)
            )
        return known[path]

    def _check_existence(self, path: str) -> DepFingerprint:
        return _EXISTENCE[self.files.exists(path)], ""

    def _check_content(self, path: str, seen: DepFingerprint) -> DepFingerprint:
        """Return digest and stamp of a file; one that has the stamp it had is not read for that."""
        stamp = self.files.stamp(path)
        if stamp and stamp == seen[1]:
            return seen
        return (blob_oid(self.files.read_file(path)), stamp) if self.files.exists(path) else self._check_existence(path)


_encode_json = json.JSONEncoder(separators=(",", ":")).encode


def dump_summary(found: FileSummary) -> str:
    """Write an outline as one line of JSON."""
    return _encode_json(
        [
            found.is_asset,
            [found.address.kind, found.address.name] if found.address else None,
            [[m.text, m.address.kind, m.address.name, m.span.line, m.span.column] for m in found.references],
            [encode_diagnostic(diagnostic) for diagnostic in found.diagnostics],
            found.deps,
        ]
    )


def load_summary(path: str, shown: str, line: str) -> FileSummary:
    """Read what `dump` wrote, for a file at a path."""
    claimed, address, mentions, problems, seen = json.loads(line)
    return FileSummary(
        path,
        claimed,
        Address(*address) if address else None,
        tuple(LocatedReference(text, Address(kind, name), Span(shown, *at)) for text, kind, name, *at in mentions),
        tuple(decode_diagnostic(problem) for problem in problems),
        {name: (what, stamp) for name, (what, stamp) in seen.items()},
    )
