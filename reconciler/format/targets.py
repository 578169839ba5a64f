"""``targets:`` of mlgit.yml: one repository, realised in several places.

A target is an overlay over the other fields of the file: mappings are merged key by key, everything else is replaced,
null removes. What comes out is a document like the file itself, whose places are those of whichever half says it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.places import places
from reconciler.format.pointers import find, join
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import Document
from reconciler.model import Json

DEFAULT = "default"
KEY = "targets"
_DIGITS = 32  # of a lineage


@dataclass(frozen=True, slots=True)
class _Overlaid(Document):
    """mlgit.yml as it is for one target; ``overlay`` is the pointer of what that target says."""

    overlay: str = ""

    def key(self, pointer: str) -> Span:
        return Document.key(self, self._where(pointer))

    def value(self, pointer: str) -> Span:
        return Document.value(self, self._where(pointer))

    def _where(self, pointer: str) -> str:
        inside = f"{self.overlay}{pointer}"
        return inside if pointer and inside in places(self.text) else pointer


def names(document: Document) -> tuple[str, ...]:
    """Name every target, the default one first."""
    listed = find(document.data, [KEY])
    return tuple(dict.fromkeys((DEFAULT, *(listed if isinstance(listed, Mapping) else ()))))


def overlaid(document: Document, target: str) -> Document:
    """Return what mlgit.yml is for a target; a target that it does not name is the default one without an overlay."""
    base = {key: each for key, each in document.data.items() if key != KEY}
    overlay = find(document.data, [KEY, target]) or {}
    return _Overlaid(document.path, merged(base, overlay), document.text, join(KEY, target))


def merged(base: Json, overlay: Json) -> Json:
    """Return a value with an overlay put over it."""
    if not isinstance(base, Mapping) or not isinstance(overlay, Mapping):
        return _without_nothing(overlay)
    kept = {key: each for key, each in base.items() if key not in overlay}
    laid = {key: merged(base.get(key), each) for key, each in overlay.items() if each is not None}
    return {key: laid.get(key, kept.get(key)) for key in (*base, *overlay) if key in laid or key in kept}


def _without_nothing(value: Json) -> Json:
    """Leave out what an overlay removes where there was nothing to remove it from."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_nothing(each) for key, each in value.items() if each is not None}


def lineage_of(lineage: str, target: str) -> str:
    """Return the identity of a target's live state: with it, tokens and runs of one target are never another's."""
    if target == DEFAULT:
        return lineage
    return hashlib.sha256(f"{lineage}\0{target}".encode()).hexdigest()[:_DIGITS]


def unknown(document: Document, target: str) -> Diagnostic:
    """Say that there is no such target."""
    known = names(document)
    there = f"targets there are: {', '.join(known)}" if len(known) > 1 else f"{document.path} has no {KEY}: yet"
    hint = did_you_mean(target, known) or there
    return Diagnostic("target-unknown", f"there is no target {target}", document.key(join(KEY)), hint)


def in_each(document: Document, change: Callable[[Json], Json]) -> Document:
    """Change the settings of a file and those of each of its targets alike."""
    data = change(document.data)
    overlays = find(data, [KEY])
    if isinstance(overlays, Mapping):
        data = {**data, KEY: {name: change(each) for name, each in overlays.items()}}
    return replace(document, data=data)
