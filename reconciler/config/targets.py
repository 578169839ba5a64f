"""Targets: the ``targets:`` of mlgit.yml, each an overlay over the other settings of the file.

Mappings are merged key by key, everything else is replaced, null removes a setting. The result is a document like the
file itself; the span of a value is in the overlay if it comes from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json, ReuseTarget

DEFAULT_TARGET = "default"
TARGETS_KEY = "targets"
_LINEAGE_DIGITS = 32


@dataclass(frozen=True, slots=True)
class _TargetDocument(Document):
    """mlgit.yml for one target; ``overlay_pointer`` is the JSON pointer of the overlay."""

    overlay_pointer: str = ""

    def key_span(self, pointer: str) -> Span:
        return Document.key_span(self, self._resolve_pointer(pointer))

    def value_span(self, pointer: str) -> Span:
        return Document.value_span(self, self._resolve_pointer(pointer))

    def _resolve_pointer(self, pointer: str) -> str:
        in_overlay = f"{self.overlay_pointer}{pointer}"
        return in_overlay if pointer and self.has_pointer(in_overlay) else pointer


def target_names(document: Document) -> tuple[str, ...]:
    """Return the names of all targets, the default one first."""
    overlays = find_value(document.data, [TARGETS_KEY])
    return tuple(dict.fromkeys((DEFAULT_TARGET, *(overlays if isinstance(overlays, Mapping) else ()))))


def document_for_target(document: Document, target: str) -> Document:
    """Return mlgit.yml with the overlay of a target applied; an unknown target has an empty overlay."""
    base = {key: value for key, value in document.data.items() if key != TARGETS_KEY}
    overlay = find_value(document.data, [TARGETS_KEY, target]) or {}
    return _TargetDocument(
        document.path, merge_overlay(base, overlay), document.text, overlay_pointer=join_pointer(TARGETS_KEY, target)
    )


def merge_overlay(base: Json, overlay: Json) -> Json:
    """Return a value with an overlay merged into it."""
    if not isinstance(base, Mapping) or not isinstance(overlay, Mapping):
        return _drop_nulls(overlay)
    kept = {key: value for key, value in base.items() if key not in overlay}
    merged = {key: merge_overlay(base.get(key), value) for key, value in overlay.items() if value is not None}
    return {key: merged.get(key, kept.get(key)) for key in (*base, *overlay) if key in merged or key in kept}


def _drop_nulls(value: Json) -> Json:
    """Return an overlay without its nulls: the base has nothing that they could remove."""
    if not isinstance(value, Mapping):
        return value
    return {key: _drop_nulls(child) for key, child in value.items() if child is not None}


def target_lineage(lineage: str, target: str) -> str:
    """Return the lineage of a target's live state; it keeps tokens and runs of different targets apart."""
    if target == DEFAULT_TARGET:
        return lineage
    return hashlib.sha256(f"{lineage}\0{target}".encode()).hexdigest()[:_LINEAGE_DIGITS]


def reuse_targets(by_target: Mapping[str, Document], target: str) -> tuple[ReuseTarget, ...]:
    """Return the targets that a target reuses runs of, with where their live states are; unknown ones are left out."""
    names = by_target[target].data.get("reuse_from", ())
    states = {name: by_target[name].data["state"] for name in names if name in by_target and name != target}
    return tuple(
        ReuseTarget(name, state["name"], target_lineage(state["lineage"], name), state.get("remote", ""))
        for name, state in states.items()
    )


def check_reuse_targets(by_target: Mapping[str, Document]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each name under ``reuse_from`` that is no other target."""
    seen: set[Span] = set()
    for target, document in by_target.items():
        for index, name in enumerate(document.data.get("reuse_from", ())):
            span = document.value_span(join_pointer("reuse_from", index))
            if name not in by_target and span not in seen:
                seen.add(span)  # targets that do not set it share it
                hint = did_you_mean(name, list(by_target)) or f"targets: {', '.join(by_target)}"
                yield Diagnostic("target-unknown", f"reuse_from names the unknown target {name}", span, hint)
            elif name == target and (target == DEFAULT_TARGET or _sets_reuse_from(document, target)):
                yield Diagnostic("reuse-from-itself", f"target {target} reuses its own runs anyway", span, "remove it")


def _sets_reuse_from(document: Document, target: str) -> bool:
    """Return True if the overlay of a target has the setting; else it has it from the file, for other targets."""
    return document.has_pointer(join_pointer(TARGETS_KEY, target, "reuse_from"))


def unknown_target_diagnostic(document: Document, target: str) -> Diagnostic:
    """Return the diagnostic for a target that mlgit.yml does not define."""
    names = target_names(document)
    available = f"available targets: {', '.join(names)}" if len(names) > 1 else f"{document.path} defines no targets"
    hint = did_you_mean(target, names) or available
    return Diagnostic("target-unknown", f"unknown target {target}", document.key_span(join_pointer(TARGETS_KEY)), hint)


def map_all_targets(document: Document, change: Callable[[Json], Json]) -> Document:
    """Return a document with a change applied to the settings of the file and to each overlay."""
    data = change(document.data)
    overlays = find_value(data, [TARGETS_KEY])
    if isinstance(overlays, Mapping):
        data = {**data, TARGETS_KEY: {name: change(overlay) for name, overlay in overlays.items()}}
    return replace(document, data=data)
