"""Digests of what an asset is: the fields that affect its result, with contents and references resolved.

``fingerprint`` covers what the asset is, ``metadata`` what may change in place. Both are computed from values that a
record keeps too, so that a newer mlgit can compute the fingerprint of a record again (``FP_VERSION``). Two assets are
equal if these agree; an asset that is equal keeps the fingerprint that it was recorded with, so its users do too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from reconciler.format.conda_content import canonical_conda_file
from reconciler.format.kind import Kind
from reconciler.format.pointers import escape_key
from reconciler.model import LOCK_POINTER, Json, Record, ResolvedAsset, ResolvedReference, Spec, State

FP_VERSION = 1
_ENVIRONMENT, _CONDA_FILE = "environment", "conda_file"


def json_digest(value: Json) -> str:
    """Return the digest of a JSON value: 40 hexadecimal digits of the sha256 of its canonical form."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]


def asset_fingerprint(
    kind: Kind, spec: Spec, contents: Mapping[str, str], references: Mapping[str, ResolvedReference]
) -> str:
    """Return the digest of what an asset is: references count by their targets, paths by their contents."""
    targets = {
        pointer: f"is:{reference.fingerprint}/{reference.output}/{reference.path}"
        for pointer, reference in references.items()
    }
    fields = substitute_values(kind.split_spec(spec).identifying, contents, targets)
    fields = canonical_environments({_ENVIRONMENT: fields} if kind.uses_builder else fields)
    fields = fields[_ENVIRONMENT] if kind.uses_builder else fields
    if lock := contents.get(LOCK_POINTER):
        fields = {**fields, "lock": lock}
    return json_digest({"fp": FP_VERSION, "kind": kind.name, "spec": fields})


def canonical_environments(value: Json) -> Json:
    """Return fields with the conda files of environments as they count: a cosmetic change of one is none."""
    if isinstance(value, list | tuple):
        return [canonical_environments(child) for child in value]
    if not isinstance(value, Mapping):
        return value
    fields = {name: canonical_environments(child) for name, child in value.items()}
    environment = fields.get(_ENVIRONMENT)
    if isinstance(environment, Mapping) and isinstance(environment.get(_CONDA_FILE), Mapping):
        fields[_ENVIRONMENT] = {**environment, _CONDA_FILE: canonical_conda_file(environment[_CONDA_FILE])}
    return fields


def declaration_digest(resolved: ResolvedAsset) -> str:
    """Return the digest of what a file declares, whatever its references resolve to."""
    return json_digest(substitute_values(resolved.asset.spec, resolved.contents, {}))


def metadata_digest(kind: Kind, spec: Spec) -> str:
    """Return the digest of the fields whose change is an update in place."""
    return json_digest(kind.split_spec(spec).in_place)


def recompute_fingerprint(kind: Kind, record: Record) -> str:
    """Return the fingerprint of a record as this version of mlgit computes it."""
    return asset_fingerprint(kind, record.spec, record.contents, record.references)


def canonical_fingerprint(kind: Kind, record: Record, desired: str, state: State) -> str:
    """Return the recorded fingerprint if the record equals what is desired, else the desired one."""
    if desired == record.fingerprint or recompute_fingerprint(kind, record) == desired:
        return record.fingerprint
    if record.fp_version == FP_VERSION:
        return desired
    references = {
        pointer: _with_current_fingerprint(reference, state) for pointer, reference in record.references.items()
    }
    updated = replace(record, references=references)
    return record.fingerprint if recompute_fingerprint(kind, updated) == desired else desired


def _with_current_fingerprint(reference: ResolvedReference, state: State) -> ResolvedReference:
    """Return a reference with today's fingerprint of its version: a version never changes, its digest may."""
    if not reference.version or reference.output:
        return reference
    record = state.find_version(reference.address, reference.version)
    return replace(reference, fingerprint=record.fingerprint) if record else reference


def submission_token(lineage: str, address: str, fingerprint: str, attempt: int) -> str:
    """Return the idempotency key of one submission: submitted at least once, executed at most once."""
    return json_digest([lineage, address, fingerprint, attempt])


def readable_fields(
    kind: Kind, spec: Spec, contents: Mapping[str, str], references: Mapping[str, ResolvedReference], *, affecting: bool
) -> Json:
    """Return the fields as a person compares them: references by name and version, contents by digest."""
    parts = kind.split_spec(spec)
    fields = parts.identifying if affecting else parts.in_place
    if affecting and (lock := contents.get(LOCK_POINTER)):
        fields = {**fields, LOCK_POINTER.removeprefix("/"): lock}
    return substitute_values(fields, contents, {pointer: str(reference) for pointer, reference in references.items()})


def substitute_values(
    value: Json, contents: Mapping[str, str], references: Mapping[str, str], pointer: str = ""
) -> Json:
    """Return a spec with what its references and its contents are in their places, by JSON pointer."""
    if pointer in references:
        return references[pointer]
    if pointer in contents:
        return contents[pointer]
    if isinstance(value, Mapping):
        return {
            key: substitute_values(child, contents, references, f"{pointer}/{escape_key(key)}")
            for key, child in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            substitute_values(child, contents, references, f"{pointer}/{index}") for index, child in enumerate(value)
        ]
    return value
