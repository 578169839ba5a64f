"""What an asset is, as a digest: the fields that affect its result, with contents and references resolved.

Two digests: ``fingerprint`` covers what the asset is, ``metadata`` what may change in place. Both are computed from
values that a record keeps too, so that a record can be fingerprinted again by a newer mlgit (``FP_VERSION``). Equality
is decided by that; what is equal keeps the fingerprint that it was recorded with, and so do those that refer to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from reconciler.format.kind import Kind
from reconciler.format.pointers import escape_key
from reconciler.model import Json, Record, ResolvedReference, Spec, State

FP_VERSION = 1


def json_digest(value: Json) -> str:
    """Return the digest of a JSON value: sha256 of its canonical form, 40 hexadecimal digits of it."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]


def asset_fingerprint(
    kind: Kind, spec: Spec, contents: Mapping[str, str], references: Mapping[str, ResolvedReference]
) -> str:
    """Digest what the asset is. A reference counts by what it resolves to, a path by the content behind it."""
    found = {
        pointer: f"is:{reference.fingerprint}/{reference.output}/{reference.path}"
        for pointer, reference in references.items()
    }
    return json_digest(
        {
            "fp": FP_VERSION,
            "kind": kind.name,
            "spec": _substitute_values(_fingerprinted_fields(kind, spec), contents, found),
        }
    )


def metadata_digest(kind: Kind, spec: Spec) -> str:
    """Digest the fields whose change is an update in place."""
    return json_digest({name: value for name, value in spec.items() if name in kind.in_place_fields})


def recompute_fingerprint(kind: Kind, record: Record) -> str:
    """Return the fingerprint of a record as today's code sees it."""
    return asset_fingerprint(kind, record.spec, record.contents, record.references)


def canonical_fingerprint(kind: Kind, record: Record, wanted: str, live: State) -> str:
    """Return the fingerprint of what is ``wanted`` today: the recorded one, where the record is the same thing."""
    if wanted == record.fingerprint or recompute_fingerprint(kind, record) == wanted:
        return record.fingerprint
    if record.fp_version == FP_VERSION:
        return wanted
    then = replace(
        record,
        references={
            pointer: _with_current_fingerprint(reference, live) for pointer, reference in record.references.items()
        },
    )
    return record.fingerprint if recompute_fingerprint(kind, then) == wanted else wanted


def _with_current_fingerprint(reference: ResolvedReference, live: State) -> ResolvedReference:
    """Return a reference with the fingerprint that its version has today: a version never changes, its digest may."""
    if not reference.version or reference.output:
        return reference
    record = live.find_version(reference.address, reference.version)
    return replace(reference, fingerprint=record.fingerprint) if record else reference


def submission_token(lineage: str, address: str, wanted: str, attempt: int) -> str:
    """Return the idempotency key of one submission (design: submitted at least once, executed at most once)."""
    return json_digest([lineage, address, wanted, attempt])


def readable_fields(
    kind: Kind, spec: Spec, contents: Mapping[str, str], references: Mapping[str, ResolvedReference], *, affecting: bool
) -> Json:
    """Return the fields as a person compares them: references by name and version, contents by digest."""
    chosen = (
        _fingerprinted_fields(kind, spec) if affecting else {k: v for k, v in spec.items() if k in kind.in_place_fields}
    )
    return _substitute_values(chosen, contents, {pointer: str(reference) for pointer, reference in references.items()})


def _fingerprinted_fields(kind: Kind, spec: Spec) -> Spec:
    return {name: value for name, value in spec.items() if kind.is_fingerprint_field(name)}


def _substitute_values(
    value: Json, contents: Mapping[str, str], references: Mapping[str, str], pointer: str = ""
) -> Json:
    if pointer in references:
        return references[pointer]
    if pointer in contents:
        return contents[pointer]
    if isinstance(value, Mapping):
        return {
            key: _substitute_values(each, contents, references, f"{pointer}/{escape_key(key)}")
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _substitute_values(each, contents, references, f"{pointer}/{index}") for index, each in enumerate(value)
        ]
    return value
