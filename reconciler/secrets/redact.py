"""Secrets that stand in a file stop here: no record, plan or log gets one, only a mark that tells it from another.

The mark is a digest, salted with the lineage: a change of a secret can be seen, the secret cannot.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from reconciler.model import Json, Spec

REDACTED_KEY = "sha256"
_DIGEST_LENGTH = 12
_DIGEST_PATTERN = re.compile(rf"[0-9a-f]{{{_DIGEST_LENGTH}}}")
_UNREDACTED_KEY = "type"  # says of which sort a secret is, and is none


def redact_spec(secret_fields: AbstractSet[str], spec: Spec, lineage: str) -> Spec:
    """Return a spec with every value below the secret fields of its kind replaced; what is replaced already stays."""
    if secret_fields.isdisjoint(spec):
        return spec
    return {name: _redact_value(value, lineage) if name in secret_fields else value for name, value in spec.items()}


def _redact_value(value: Json, lineage: str) -> Json:
    if isinstance(value, Mapping):
        if _is_redacted(value):
            return value
        return {key: each if key == _UNREDACTED_KEY else _redact_value(each, lineage) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(each, lineage) for each in value]
    if value is None or isinstance(value, bool):
        return value
    return {REDACTED_KEY: hashlib.sha256(f"{lineage}\0{value}".encode()).hexdigest()[:_DIGEST_LENGTH]}


def _is_redacted(value: Mapping[str, Json]) -> bool:
    return (
        value.keys() == {REDACTED_KEY}
        and isinstance(value[REDACTED_KEY], str)
        and _DIGEST_PATTERN.fullmatch(value[REDACTED_KEY]) is not None
    )
