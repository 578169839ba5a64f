"""Redaction of secrets: ``redact_spec`` for what is recorded, ``hide_secrets`` for what is shown.

A record holds a digest in place of each secret field of its kind. The digest is salted with the lineage: it shows
that a secret changed, not the secret. Environment variables are recorded as they are, because a job needs them; output
for people and programs hides them by their names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from reconciler.model import Json, Spec
from reconciler.secrets.fields import is_secret_at

REDACTED_KEY = "sha256"
SECRET_PLACEHOLDER = "(secret)"  # noqa: S105 - shown in place of a secret
_DIGEST_LENGTH = 12
_DIGEST_PATTERN = re.compile(rf"[0-9a-f]{{{_DIGEST_LENGTH}}}")
_UNREDACTED_KEY = "type"  # the type of a credential is not a secret


def redact_spec(secret_fields: AbstractSet[str], spec: Spec, lineage: str) -> Spec:
    """Return a spec with a digest in place of every value below the secret fields; digests stay as they are."""
    if secret_fields.isdisjoint(spec):
        return spec
    return {name: _redact_value(value, lineage) if name in secret_fields else value for name, value in spec.items()}


def hide_secrets(value: Json, path: Sequence[str | int] = ()) -> Json:
    """Return the value at a path of a spec with a placeholder in place of each secret and each digest of one."""
    if isinstance(value, Mapping):
        if value.keys() == {REDACTED_KEY}:
            return SECRET_PLACEHOLDER
        return {name: hide_secrets(child, (*path, name)) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [hide_secrets(item, path) for item in value]
    return SECRET_PLACEHOLDER if value is not None and is_secret_at(path) else value


def _redact_value(value: Json, lineage: str) -> Json:
    if isinstance(value, Mapping):
        if _is_redacted(value):
            return value
        return {key: child if key == _UNREDACTED_KEY else _redact_value(child, lineage) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item, lineage) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return {REDACTED_KEY: hashlib.sha256(f"{lineage}\0{value}".encode()).hexdigest()[:_DIGEST_LENGTH]}


def _is_redacted(value: Mapping[str, Json]) -> bool:
    return (
        value.keys() == {REDACTED_KEY}
        and isinstance(value[REDACTED_KEY], str)
        and _DIGEST_PATTERN.fullmatch(value[REDACTED_KEY]) is not None
    )
