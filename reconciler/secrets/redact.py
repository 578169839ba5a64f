"""Redaction of secrets: ``redact_spec`` for what is recorded, ``hide_secrets`` and ``mask_secrets`` for what is shown.

A record holds a digest in place of each secret field of its kind. The digest is salted with the lineage: it shows
that a secret changed, not the secret. Environment variables are recorded as they are, because a job needs them; output
for people and programs hides them by their names, and their values wherever these appear: in a command, an error, the
end of a log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from reconciler.model import Json, Spec
from reconciler.secrets.fields import is_secret_at
from reconciler.secrets.urls import mask_url_secrets

REDACTED_KEY = "sha256"
SECRET_PLACEHOLDER = "(secret)"  # noqa: S105 - shown in place of a secret
_MIN_VALUE_LENGTH = 4  # characters; a shorter value stands in too much that is no secret
_MIN_UNUSUAL_LENGTH = 8  # characters; a shorter value that is a word may be a part of another word
_EXPRESSION = "${{"
_DIGEST_LENGTH = 12
_DIGEST_PATTERN = re.compile(rf"[0-9a-f]{{{_DIGEST_LENGTH}}}")
# What a credential is, whose, and where it is given: no secrets. A datastore is opened with them again, and a review
# has to see where a change of them leads.
_UNREDACTED_KEYS = frozenset({"type", "tenant_id", "client_id", "authority_url", "resource_url"})


def redact_spec(secret_fields: AbstractSet[str], spec: Spec, lineage: str) -> Spec:
    """Return a spec with a digest in place of every value below the secret fields; digests stay as they are."""
    if secret_fields.isdisjoint(spec):
        return spec
    return {name: _redact_value(value, lineage) if name in secret_fields else value for name, value in spec.items()}


def secret_values(value: Json, path: Sequence[str | int] = ()) -> frozenset[str]:
    """Return the secrets in the value at a path of a spec; not those that are too short to look for, or expressions."""
    if isinstance(value, Mapping):
        return frozenset().union(*(secret_values(child, (*path, name)) for name, child in value.items()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(secret_values(item, path) for item in value))
    text = str(value).strip()
    is_secret = value is not None and not isinstance(value, bool) and is_secret_at(path)
    return (
        frozenset({text}) if is_secret and len(text) >= _MIN_VALUE_LENGTH and _EXPRESSION not in text else frozenset()
    )


def mask_secrets(text: str, values: AbstractSet[str]) -> str:
    """Return a text with a placeholder in place of each of the values, and without secrets in its URLs."""
    for value in sorted(values, key=len, reverse=True):
        if value in text:
            # A short word may be a part of another one; anything else is masked in the middle of a word, too.
            is_word = value.isalpha() and len(value) < _MIN_UNUSUAL_LENGTH
            border = (r"(?<![^\W_])", r"(?![^\W_])") if is_word else ("", "")
            text = re.sub(re.escape(value).join(border), SECRET_PLACEHOLDER, text)
    return mask_url_secrets(text)


def mask_json_secrets(value: Json, values: AbstractSet[str]) -> Json:
    """Return a JSON value with its strings masked as by `mask_secrets`; names stay as they are."""
    if isinstance(value, Mapping):
        return {name: mask_json_secrets(child, values) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [mask_json_secrets(item, values) for item in value]
    return mask_secrets(value, values) if isinstance(value, str) else value


def hide_secrets(value: Json, path: Sequence[str | int] = ()) -> Json:
    """Return the value at a path of a spec with a placeholder in place of each secret and each digest of one.

    The values of secrets are masked in the other strings of the spec, too.
    """
    return mask_json_secrets(_hide_secret_fields(value, path), secret_values(value, path))


def _hide_secret_fields(value: Json, path: Sequence[str | int]) -> Json:
    if isinstance(value, Mapping):
        if value.keys() == {REDACTED_KEY}:
            return SECRET_PLACEHOLDER
        return {name: _hide_secret_fields(child, (*path, name)) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_hide_secret_fields(item, path) for item in value]
    return SECRET_PLACEHOLDER if value is not None and is_secret_at(path) else value


def _redact_value(value: Json, lineage: str) -> Json:
    if isinstance(value, Mapping):
        if _is_redacted(value):
            return value
        return {
            key: child if key in _UNREDACTED_KEYS else _redact_value(child, lineage) for key, child in value.items()
        }
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
