"""``targets:`` of mlgit.yml: one repository, realised in several places.

A target is an overlay over the other fields of the file: mappings are merged key by key, everything else is replaced,
null removes. What comes out is a document like the file itself, whose places are those of whichever half says it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.source_map import build_source_map
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

DEFAULT_TARGET = "default"
TARGETS_KEY = "targets"
_LINEAGE_DIGITS = 32  # of a lineage


@dataclass(frozen=True, slots=True)
class _TargetDocument(Document):
    """mlgit.yml as it is for one target; ``overlay`` is the pointer of what that target says."""

    overlay_pointer: str = ""

    def key_span(self, pointer: str) -> Span:
        return Document.key_span(self, self._resolve_pointer(pointer))

    def value_span(self, pointer: str) -> Span:
        return Document.value_span(self, self._resolve_pointer(pointer))

    def _resolve_pointer(self, pointer: str) -> str:
        inside = f"{self.overlay_pointer}{pointer}"
        return inside if pointer and inside in build_source_map(self.text) else pointer


def target_names(document: Document) -> tuple[str, ...]:
    """Name every target, the default one first."""
    listed = find_value(document.data, [TARGETS_KEY])
    return tuple(dict.fromkeys((DEFAULT_TARGET, *(listed if isinstance(listed, Mapping) else ()))))


def document_for_target(document: Document, target: str) -> Document:
    """Return what mlgit.yml is for a target; a target that it does not name is the default one without an overlay."""
    base = {key: each for key, each in document.data.items() if key != TARGETS_KEY}
    overlay = find_value(document.data, [TARGETS_KEY, target]) or {}
    return _TargetDocument(
        document.path, merge_overlay(base, overlay), document.text, join_pointer(TARGETS_KEY, target)
    )


def merge_overlay(base: Json, overlay: Json) -> Json:
    """Return a value with an overlay put over it."""
    if not isinstance(base, Mapping) or not isinstance(overlay, Mapping):
        return _drop_nulls(overlay)
    kept = {key: each for key, each in base.items() if key not in overlay}
    laid = {key: merge_overlay(base.get(key), each) for key, each in overlay.items() if each is not None}
    return {key: laid.get(key, kept.get(key)) for key in (*base, *overlay) if key in laid or key in kept}


def _drop_nulls(value: Json) -> Json:
    """Leave out what an overlay removes where there was nothing to remove it from."""
    if not isinstance(value, Mapping):
        return value
    return {key: _drop_nulls(each) for key, each in value.items() if each is not None}


def target_lineage(lineage: str, target: str) -> str:
    """Return the identity of a target's live state: with it, tokens and runs of one target are never another's."""
    if target == DEFAULT_TARGET:
        return lineage
    return hashlib.sha256(f"{lineage}\0{target}".encode()).hexdigest()[:_LINEAGE_DIGITS]


def unknown_target_diagnostic(document: Document, target: str) -> Diagnostic:
    """Say that there is no such target."""
    known = target_names(document)
    there = f"targets there are: {', '.join(known)}" if len(known) > 1 else f"{document.path} has no {TARGETS_KEY}: yet"
    hint = did_you_mean(target, known) or there
    return Diagnostic(
        "target-unknown", f"there is no target {target}", document.key_span(join_pointer(TARGETS_KEY)), hint
    )


def map_all_targets(document: Document, change: Callable[[Json], Json]) -> Document:
    """Change the settings of a file and those of each of its targets alike."""
    data = change(document.data)
    overlays = find_value(data, [TARGETS_KEY])
    if isinstance(overlays, Mapping):
        data = {**data, TARGETS_KEY: {name: change(overlay) for name, overlay in overlays.items()}}
    return replace(document, data=data)
