"""What contents of Git, and those that are made of others, became in the store: named entries, created once each.

So nothing is stored twice, and what a run would get is known without storing it. The bytes of a source never change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable

from reconciler.model import ResolvedReference
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.planning.content import TrackedContent

STAGED = "staged"


def git_source(content: TrackedContent) -> str:
    """Return the name of what is behind a path of Git."""
    return content.digest.replace(":", ".")


def merge_source(parts: Iterable[tuple[str, Content]]) -> str:
    """Return the name of one folder of several contents, each at its name there."""
    return "merged." + _digest((name, content.digest, content.sha256, content.name) for name, content in parts)


def part_source(content: Content, reference: ResolvedReference) -> str:
    """Return the name of the part of an output that a reference names."""
    return "part." + _digest([(content.digest, content.sha256, reference.path)])


def _digest(parts: Iterable[tuple[str, ...]]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def find_staged(store: ObjectStore, source: str, group: str = STAGED) -> Content | None:
    """Return what a source became in the store, whole or not; None if it never was there."""
    raw = store.read(f"{group}/{source}") if source else None
    try:
        return Content.from_json(json.loads(raw)) if raw is not None else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # a damaged entry: it is written again


def store_once(store: ObjectStore, source: str, put: Callable[[], Content], group: str = STAGED) -> Content:
    """Return the content of a source: as the store has it, whole, or else as ``put`` stores it."""
    known = find_staged(store, source, group)
    if known is not None and not store.verify(known) and store.keep(known):
        return known
    content = put()
    if source and content != known:
        name, data = f"{group}/{source}", json.dumps(content.to_json()).encode()
        if not store.create(name, data) and find_staged(store, source, group) is None:  # it is damaged
            store.delete(name)
            store.create(name, data)
    return content


def with_git_name(content: TrackedContent, stored: Content) -> Content:
    """Return what the store has of a content of Git: a single file under its own name."""
    return stored._replace(name=content.files[0][0]) if content.is_file and content.files else stored
