"""Secrets that stand in a file stop here: no record, plan or log gets one, only a mark that tells it from another.

The mark is a digest, salted with the lineage: a change of a secret can be seen, the secret cannot.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from reconciler.format.kind import Kind
from reconciler.model import Json, Spec

MARK = "sha256"
_DIGITS = 12
_MARKED = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_PLAIN = "type"  # says of which sort a secret is, and is none


def masked(kind: Kind, spec: Spec, lineage: str) -> Spec:
    """Return a spec with every value below the secret fields of its kind replaced; what is replaced already stays."""
    if kind.secret.isdisjoint(spec):
        return spec
    return {name: _masked(value, lineage) if name in kind.secret else value for name, value in spec.items()}


def _masked(value: Json, lineage: str) -> Json:
    if isinstance(value, Mapping):
        if _is_mark(value):
            return value
        return {key: each if key == _PLAIN else _masked(each, lineage) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each, lineage) for each in value]
    if value is None or isinstance(value, bool):
        return value
    return {MARK: hashlib.sha256(f"{lineage}\0{value}".encode()).hexdigest()[:_DIGITS]}


def _is_mark(value: Mapping[str, Json]) -> bool:
    return value.keys() == {MARK} and isinstance(value[MARK], str) and _MARKED.fullmatch(value[MARK]) is not None
